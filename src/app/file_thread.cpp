// Both sides speak by posted messages only: a cancel is one, and so is the end of a call.
#include "app/file_thread.hpp"

#include <list>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/task_group.hpp"

namespace nova::app {

// The first group belongs to the control thread, the second to the file thread.
struct FileThread::Call {
    explicit Call(const asio::any_io_executor& control)
        : ended{control, asio::steady_timer::time_point::max()} {}

    asio::steady_timer ended;
    bool done = false;

    std::function<Task<void>()> work;
    std::unique_ptr<TaskGroup> tasks;
    bool withdrawn = false;
};

struct FileThread::Thread {
    explicit Thread(asio::any_io_executor executor)
        : control{std::move(executor)}, guard{asio::make_work_guard(io)},
          keepers{io.get_executor()}, thread{[this] { io.run(); }} {}

    Task<void> keep(std::shared_ptr<Call> call) {
        co_await call->tasks->join();
        call->tasks.reset();
        call->work = nullptr;
        calls.remove(call);
        asio::post(control, [call] {
            call->done = true;
            call->ended.cancel();
        });
    }

    void begin(const std::shared_ptr<Call>& call) {
        if (call->withdrawn) {
            return;
        }
        call->tasks = std::make_unique<TaskGroup>(io.get_executor());
        call->tasks->spawn("file work", call->work());
        calls.push_back(call);
        keepers.spawn("keep file work", keep(call));
    }

    static void withdraw(const std::shared_ptr<Call>& call) {
        call->withdrawn = true;
        if (call->tasks) {
            call->tasks->cancel();
        }
    }

    asio::any_io_executor control;
    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard;
    std::list<std::shared_ptr<Call>> calls;
    TaskGroup keepers;  // never cancelled: each ends with its call
    std::thread thread;
};

FileThread::FileThread(asio::any_io_executor control)
    : thread_{std::make_unique<Thread>(std::move(control))} {}

FileThread::~FileThread() {
    thread_->guard.reset();
    thread_->thread.join();
}

asio::any_io_executor FileThread::executor() const {
    return thread_->io.get_executor();
}

Task<void> FileThread::run(std::function<Task<void>()> work) {
    auto call = std::make_shared<Call>(thread_->control);
    call->work = std::move(work);
    asio::post(thread_->io, [thread = thread_.get(), call] { thread->begin(call); });

    struct Leave {
        Thread& thread;
        std::shared_ptr<Call> call;

        ~Leave() {
            if (!call->done) {
                asio::post(thread.io, [call = call] { Thread::withdraw(call); });
            }
        }
    } leave{*thread_, call};

    while (!call->done) {
        boost::system::error_code ignored;
        co_await call->ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

Task<void> FileThread::leave() {
    auto gone = std::make_shared<Call>(thread_->control);
    gone->work = [thread = thread_.get(), self = gone.get()]() -> Task<void> {
        while (thread->calls.size() > 1 || thread->calls.front().get() != self) {
            co_await asio::post(asio::use_awaitable);
        }
    };
    asio::post(thread_->io, [thread = thread_.get(), gone] {
        const auto running = thread->calls;
        for (const auto& call : running) {
            Thread::withdraw(call);
        }
        thread->begin(gone);
    });
    while (!gone->done) {
        boost::system::error_code ignored;
        co_await gone->ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

}  // namespace nova::app

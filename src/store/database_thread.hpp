// A queue of jobs on a database, and the one thread that does them in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/result.hpp"
#include "core/task.hpp"

namespace nova::store {

// Outlives every coroutine that awaits it; its destructor finishes what is queued.
template <class Database>
class DatabaseThread {
public:
    using Job = std::move_only_function<void(Database&)>;

    explicit DatabaseThread(std::unique_ptr<Database> database)
        : database_{std::move(database)}, thread_{[this] { work(); }} {}

    DatabaseThread(const DatabaseThread&) = delete;
    DatabaseThread& operator=(const DatabaseThread&) = delete;

    ~DatabaseThread() {
        {
            const std::lock_guard lock{mutex_};
            closing_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

    // Does the call on the database's thread and resumes the caller on its own executor. Error:
    // unavailable when too much is queued.
    template <class Call>
    auto run(Call call) -> Task<std::invoke_result_t<Call, Database&>> {
        using R = std::invoke_result_t<Call, Database&>;
        const auto executor = co_await asio::this_coro::executor;
        auto start = [this, executor, call = std::move(call)](auto handler) mutable {
            // The caller's event loop must not run dry while its answer is still on its way.
            auto busy = asio::prefer(executor, asio::execution::outstanding_work.tracked);
            auto job = [call = std::move(call), handler = std::move(handler),
                        busy = std::move(busy)](Database& database) mutable {
                asio::post(busy, [handler = std::move(handler), result = call(database)]() mutable {
                    std::move(handler)(std::move(result));
                });
            };
            push(std::move(job));
        };
        if (full()) {
            co_return fail(
                ErrorCode::unavailable, "The state store does not keep up; its disk may hang."
            );
        }
        co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(
            std::move(start), asio::use_awaitable
        );
    }

private:
    // The control thread awaits one commit at a time; more than this means that the disk hangs.
    static constexpr std::size_t kQueueLimit = 1024;

    bool full() {
        const std::lock_guard lock{mutex_};
        return jobs_.size() >= kQueueLimit;
    }

    void push(Job job) {
        {
            const std::lock_guard lock{mutex_};
            jobs_.push_back(std::move(job));
        }
        changed_.notify_one();
    }

    void work() {
        std::unique_lock lock{mutex_};
        for (;;) {
            changed_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
            if (jobs_.empty()) {
                return;
            }
            Job job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job(*database_);
            lock.lock();
        }
    }

    std::unique_ptr<Database> database_;  // the thread's alone
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    bool closing_ = false;
    std::thread thread_;  // last: everything above exists before it runs
};

}  // namespace nova::store

// Spawned bodies live in a list of cancellation signals; the last one to end wakes the joiners.
#include "core/task_group.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <list>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "core/result.hpp"

namespace nova {

struct TaskGroup::State {
    explicit State(asio::any_io_executor e)
        : executor{std::move(e)}, empty{executor, asio::steady_timer::time_point::max()} {}

    asio::any_io_executor executor;
    std::list<asio::cancellation_signal> signals;
    asio::steady_timer empty;
    bool closed = false;
};

namespace {

void end_of(const std::string& name, const std::exception_ptr& exception) {
    if (!exception) {
        return;
    }
    try {
        std::rethrow_exception(exception);
    } catch (const boost::system::system_error& e) {
        if (e.code() == asio::error::operation_aborted) {
            return;  // cancelled: the normal way to end early
        }
        std::fprintf(stderr, "nova: task %s: %s\n", name.c_str(), e.what());
    } catch (const std::exception& e) {
        std::fprintf(stderr, "nova: task %s: %s\n", name.c_str(), e.what());
    }
    std::abort();  // an escaped exception is a bug; going on would hide it
}

// co_spawn posts once more behind a body that never suspended, and that await throws, outside of
// everybody's reach, when the body has cancelled its own group meanwhile (Asio 1.81, co_spawn.hpp).
// A body that begins with a post has always suspended.
Task<void> begun(Task<void> body) {
    co_await asio::post(asio::use_awaitable);
    co_await std::move(body);
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : state_{std::make_shared<State>(std::move(executor))} {}

TaskGroup::~TaskGroup() {
    NOVA_CHECK(state_->signals.empty());
}

void TaskGroup::spawn(std::string name, Task<void> body) {
    if (state_->closed) {
        return;
    }
    const auto place = state_->signals.emplace(state_->signals.end());
    auto on_end = [state = state_, place, name = std::move(name)](std::exception_ptr exception) {
        end_of(name, exception);
        state->signals.erase(place);
        if (state->signals.empty()) {
            state->empty.cancel();
        }
    };
    asio::co_spawn(
        state_->executor, begun(std::move(body)),
        asio::bind_cancellation_slot(place->slot(), std::move(on_end))
    );
}

void TaskGroup::cancel() {
    state_->closed = true;
    // A body may end inside emit() and erase its own signal: step past it first.
    const auto state = state_;
    for (auto it = state->signals.begin(); it != state->signals.end();) {
        auto& signal = *it++;
        signal.emit(asio::cancellation_type::terminal);
    }
}

Task<void> TaskGroup::join() {
    const auto state = state_;
    while (!state->signals.empty()) {
        boost::system::error_code code;
        co_await state->empty.async_wait(asio::redirect_error(asio::use_awaitable, code));
    }
}

std::size_t TaskGroup::running() const {
    return state_->signals.size();
}

}  // namespace nova

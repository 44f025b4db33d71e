// What is a day old is forgotten, and nothing younger.
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/history.hpp"
#include "core/run_task.hpp"
#include "core/task_group.hpp"
#include "store/memory_store.hpp"

namespace nova::app {
namespace {

using std::chrono::hours;

class History : public testing::Test {
protected:
    void note() {
        run_task(own_, [](store::StateStore& store, WallTime at) -> Task<void> {
            std::vector<store::Write> writes;
            writes.emplace_back(store::AppendEvent{.type = "state", .json = "{}", .at = at});
            EXPECT_TRUE(co_await store.commit(std::move(writes)));
        }(store_, clock_.wall_now()));
    }

    std::size_t events() {
        std::size_t count = 0;
        run_task(own_, [](store::StateStore& store, std::size_t& found) -> Task<void> {
            found = (co_await store.events_after(0, 100)).value().size();
        }(store_, count));
        return count;
    }

    void pass(hours time) {
        clock_.advance(time);
        context_.poll();
    }

    asio::io_context context_;
    asio::io_context own_;
    VirtualClock clock_;
    Log log_{Log::Sink::none, LogLevel::error};
    store::MemoryStore store_;
};

TEST_F(History, IsForgottenAfterADay) {
    TaskGroup tasks{context_.get_executor()};
    note();
    tasks.spawn("history", forget_history(store_, clock_, log_));
    context_.poll();
    pass(hours{12});
    note();
    pass(hours{11});
    EXPECT_EQ(events(), 2U);
    pass(hours{2});
    EXPECT_EQ(events(), 1U);
    pass(hours{12});
    EXPECT_EQ(events(), 0U);
    tasks.cancel();
    run_task(context_, tasks.join());
}

}  // namespace
}  // namespace nova::app

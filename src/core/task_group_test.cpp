#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "core/clock.hpp"
#include "core/task_group.hpp"

namespace nova {
namespace {

using namespace std::chrono_literals;

Task<void> join_and_note(TaskGroup& group, bool& joined) {
    co_await group.join();
    joined = true;
}

Task<void> sleep_long(Clock& clock, bool& unwound) {
    struct OnExit {
        bool& flag;

        ~OnExit() { flag = true; }
    } on_exit{unwound};

    co_await clock.sleep_for(1h);
}

TEST(TaskGroup, JoinWaitsForTheLastBody) {
    asio::io_context io{1};
    VirtualClock clock;
    TaskGroup group{io.get_executor()};
    TaskGroup watcher{io.get_executor()};
    bool joined = false;
    group.spawn("one", clock.sleep_for(1s));
    group.spawn("two", clock.sleep_for(2s));
    watcher.spawn("join", join_and_note(group, joined));
    io.poll();
    clock.advance(1s);
    io.restart();
    io.poll();
    EXPECT_FALSE(joined);
    EXPECT_EQ(group.running(), 1U);
    clock.advance(1s);
    io.restart();
    io.poll();
    EXPECT_TRUE(joined);
}

TEST(TaskGroup, CancelUnwindsBodiesAndRefusesNewOnes) {
    asio::io_context io{1};
    VirtualClock clock;
    TaskGroup group{io.get_executor()};
    bool first = false;
    bool second = false;
    bool late = false;
    group.spawn("one", sleep_long(clock, first));
    group.spawn("two", sleep_long(clock, second));
    io.poll();
    group.cancel();
    group.spawn("late", sleep_long(clock, late));
    io.restart();
    io.poll();
    EXPECT_TRUE(first);
    EXPECT_TRUE(second);
    EXPECT_FALSE(late);
    EXPECT_EQ(group.running(), 0U);
}

Task<void> cancel_own_group(TaskGroup& group) {
    group.cancel();
    co_return;
}

TEST(TaskGroup, ABodyThatNeverSuspendsMayCancelItsOwnGroup) {
    asio::io_context io{1};
    TaskGroup group{io.get_executor()};
    group.spawn("self", cancel_own_group(group));
    io.run();
    EXPECT_EQ(group.running(), 0U);
}

Task<void> throw_something() {
    throw std::runtime_error{"a bug"};
    co_return;
}

TEST(TaskGroupDeathTest, AnEscapedExceptionNamesTheTask) {
    EXPECT_DEATH(
        {
            asio::io_context io{1};
            TaskGroup group{io.get_executor()};
            group.spawn("prober", throw_something());
            io.run();
        },
        "task prober: a bug"
    );
}

}  // namespace
}  // namespace nova

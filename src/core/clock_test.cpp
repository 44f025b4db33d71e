#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "core/backoff.hpp"
#include "core/clock.hpp"
#include "core/deadline.hpp"
#include "core/task_group.hpp"

namespace nova {
namespace {

using namespace std::chrono_literals;

Task<void> note_after(VirtualClock& clock, Milliseconds wait, int number, std::vector<int>& order) {
    co_await clock.sleep_for(wait);
    order.push_back(number);
}

TEST(VirtualClock, WakesSleepersInTheOrderOfTheirTimesWithoutWaiting) {
    asio::io_context io{1};
    VirtualClock clock;
    std::vector<int> order;
    TaskGroup tasks{io.get_executor()};
    tasks.spawn("c", note_after(clock, 9s, 3, order));
    tasks.spawn("a", note_after(clock, 1s, 1, order));
    tasks.spawn("b", note_after(clock, 5s, 2, order));
    io.poll();
    const TimePoint start = clock.now();
    int jumps = 0;
    while (clock.jump_to_next()) {
        ++jumps;
        io.restart();
        io.poll();
    }
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(jumps, 3);
    EXPECT_EQ(clock.now() - start, 9s);
    EXPECT_EQ(tasks.running(), 0U);
}

TEST(VirtualClock, AdvanceWakesEverybodyDueAndNobodyElse) {
    asio::io_context io{1};
    VirtualClock clock;
    std::vector<int> order;
    TaskGroup tasks{io.get_executor()};
    tasks.spawn("a", note_after(clock, 1s, 1, order));
    tasks.spawn("b", note_after(clock, 5s, 2, order));
    io.poll();
    clock.advance(4999ms);
    io.restart();
    io.poll();
    EXPECT_EQ(order, std::vector<int>{1});
    clock.advance(1ms);
    io.restart();
    io.poll();
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(VirtualClock, ACancelledSleeperIsForgotten) {
    asio::io_context io{1};
    VirtualClock clock;
    std::vector<int> order;
    TaskGroup tasks{io.get_executor()};
    tasks.spawn("a", note_after(clock, 1s, 1, order));
    io.poll();
    tasks.cancel();
    io.restart();
    io.poll();
    EXPECT_EQ(tasks.running(), 0U);
    EXPECT_FALSE(clock.jump_to_next());
    EXPECT_TRUE(order.empty());
}

TEST(SystemClock, SleepsAtLeastAsLongAsAsked) {
    asio::io_context io{1};
    SystemClock clock;
    const TimePoint start = clock.now();
    TaskGroup tasks{io.get_executor()};
    tasks.spawn("sleep", clock.sleep_for(5ms));
    io.run();
    EXPECT_GE(clock.now() - start, 5ms);
}

TEST(Rfc3339, WritesUtcWithMilliseconds) {
    EXPECT_EQ(rfc3339(WallTime{0ms}), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(rfc3339(WallTime{1'750'000'000'123ms}), "2025-06-15T15:06:40.123Z");
}

TEST(Deadline, LeftIsNeverNegativeAndNeverOutlastsTheEarlier) {
    VirtualClock clock;
    const Deadline soon = Deadline::in(clock, 1s);
    EXPECT_EQ(soon.left(clock), 1s);
    EXPECT_EQ(earlier(soon, Deadline::never()).at, soon.at);
    clock.advance(2s);
    EXPECT_TRUE(soon.passed(clock));
    EXPECT_EQ(soon.left(clock), 0s);
    EXPECT_FALSE(Deadline::never().passed(clock));
}

TEST(Backoff, FirstFailureIsRestartedAtOnceThenSlower) {
    EXPECT_EQ(backoff_delay(1), 0s);
    EXPECT_EQ(backoff_delay(2), 30s);
    EXPECT_EQ(backoff_delay(3), 60s);
    EXPECT_EQ(backoff_delay(4), 120s);
    EXPECT_EQ(backoff_delay(4000), 120s);
}

}  // namespace
}  // namespace nova

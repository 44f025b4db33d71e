// A lane reports once, whatever becomes of the work.
#include <variant>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "lifecycle/lane.hpp"

namespace nova::lifecycle {
namespace {

class LaneTest : public testing::Test {
protected:
    ~LaneTest() override {
        lane.abandon();
        joiner.spawn("join", lane.join());
        poll();
    }

    Task<Event> work(Milliseconds takes) {
        co_await clock.sleep_for(takes);
        co_return CutDone{};
    }

    void poll() {
        io.restart();
        while (io.poll() > 0) {
        }
    }

    void advance(Milliseconds by) {
        poll();
        clock.advance(by);
        poll();
    }

    asio::io_context io;
    VirtualClock clock;
    std::vector<Event> reports;
    Lane lane{io.get_executor(), clock, [this](Event event) { reports.push_back(event); }};
    TaskGroup joiner{io.get_executor()};
};

TEST_F(LaneTest, ReportsWhatTheWorkReturned) {
    lane.run("work", work(Milliseconds{5}), Tick{}, Deadline::in(clock, std::chrono::seconds{1}));
    advance(Milliseconds{5});
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<CutDone>(reports.front()));
    advance(std::chrono::seconds{5});
    EXPECT_EQ(reports.size(), 1U);
}

TEST_F(LaneTest, ReportsTheOtherEndWhenTimeRunsOut) {
    lane.run("work", work(std::chrono::hours{1}), Tick{}, Deadline::in(clock, Milliseconds{10}));
    advance(Milliseconds{10});
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<Tick>(reports.front()));
}

TEST_F(LaneTest, ReportsTheOtherEndWhenItIsCancelled) {
    lane.run("work", work(std::chrono::hours{1}), Tick{}, Deadline::never());
    poll();
    lane.cancel();
    poll();
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<Tick>(reports.front()));
}

TEST_F(LaneTest, ReportsAlsoWhatIsCancelledBeforeItBegan) {
    lane.run("work", work(std::chrono::hours{1}), Tick{}, Deadline::never());
    lane.cancel();
    poll();
    EXPECT_EQ(reports.size(), 1U);
}

TEST_F(LaneTest, SaysNothingOnceItIsAbandoned) {
    lane.run("work", work(std::chrono::hours{1}), Tick{}, Deadline::never());
    poll();
    lane.abandon();
    poll();
    EXPECT_TRUE(reports.empty());
}

}  // namespace
}  // namespace nova::lifecycle

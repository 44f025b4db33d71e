#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "core/task_group.hpp"
#include "gateway/waiting_room.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;
using News = WaitingRoom::News;

// Guests note what they hear; a guest leaves with anything but a new table.
class WaitingRoomTest : public ::testing::Test {
protected:
    WaitingRoomTest()
        : all_(2), room_{io_.get_executor(), all_, 0, 3}, other_{io_.get_executor(), all_, 1, 3},
          tasks_{io_.get_executor()} {}

    ~WaitingRoomTest() override { EXPECT_EQ(taken(), 0); }

    std::int64_t taken() const { return all_.at(0).waiting.load() + all_.at(1).waiting.load(); }

    Task<void> guest(int name, std::unique_ptr<WaitingRoom::Seat> seat) {
        News news = News::new_table;
        while (news == News::new_table) {
            news = co_await seat->news();
            heard_.emplace_back(name, news);
        }
    }

    WaitingRoom::Seat* enter(int name, WaitingRoom& room, Deadline deadline = Deadline::never()) {
        auto seat = room.enter(deadline);
        WaitingRoom::Seat* const at = seat.get();
        if (seat) {
            tasks_.spawn("guest", guest(name, std::move(seat)));
        }
        return at;
    }

    void poll() {
        io_.restart();
        while (io_.poll() > 0) {
        }
    }

    asio::io_context io_{1};
    SystemClock clock_;
    AllCounters all_;
    WaitingRoom room_;
    WaitingRoom other_;
    TaskGroup tasks_;
    std::vector<std::pair<int, News>> heard_;
};

TEST_F(WaitingRoomTest, CallsInTheOrderOfComingAgainAndAgain) {
    for (const int name : {1, 2, 3}) {
        EXPECT_NE(enter(name, room_), nullptr);
        poll();
    }
    room_.call_everybody();
    poll();
    room_.call_everybody();
    room_.call_everybody();  // nobody has looked in between: one call
    poll();
    const std::vector<std::pair<int, News>> wanted{{1, News::new_table}, {2, News::new_table},
                                                   {3, News::new_table}, {1, News::new_table},
                                                   {2, News::new_table}, {3, News::new_table}};
    EXPECT_EQ(heard_, wanted);
    room_.close();
    poll();
}

TEST_F(WaitingRoomTest, ThePlacesAreSharedByAllRoomsAndComeBack) {
    EXPECT_NE(enter(1, room_), nullptr);
    WaitingRoom::Seat* const second = enter(2, other_);
    EXPECT_NE(enter(3, room_), nullptr);
    poll();
    EXPECT_EQ(enter(4, room_), nullptr);
    EXPECT_EQ(enter(4, other_), nullptr);
    EXPECT_EQ(taken(), 3) << "a refusal takes no place";
    second->client_left();
    poll();
    EXPECT_EQ(heard_.back(), (std::pair{2, News::client_left}));
    EXPECT_NE(enter(5, room_), nullptr);
    poll();
    room_.close();
    other_.close();
    poll();
    EXPECT_EQ(enter(6, room_), nullptr) << "closed for good";
}

TEST_F(WaitingRoomTest, ADeadlineEndsAWaitAndANewTableIsToldBeforeIt) {
    enter(1, room_, Deadline{clock_.now()});
    room_.call_everybody();
    poll();
    const std::vector<std::pair<int, News>> wanted{{1, News::new_table}, {1, News::deadline}};
    EXPECT_EQ(heard_, wanted);
    EXPECT_EQ(room_.waiting(), 0U);
}

TEST_F(WaitingRoomTest, ACancelledGuestLeavesItsPlace) {
    enter(1, room_);
    poll();
    EXPECT_EQ(taken(), 1);
    tasks_.cancel();
    poll();
    EXPECT_EQ(tasks_.running(), 0U);
    EXPECT_EQ(taken(), 0);
    EXPECT_TRUE(heard_.empty());
}

}  // namespace
}  // namespace nova::gateway

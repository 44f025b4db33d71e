// Words of the phases, and listeners that come and go.
#include <gtest/gtest.h>

#include "lifecycle/backend_control.hpp"

namespace nova::lifecycle {
namespace {

TEST(BackendControl, MapsEveryPhaseToAWordOfTheContract) {
    EXPECT_EQ(word(Phase::recovering), "starting");
    EXPECT_EQ(word(Phase::pulling), "starting");
    EXPECT_EQ(word(Phase::ready), "ready");
    EXPECT_EQ(word(Phase::stopping), "draining");
    EXPECT_EQ(word(Phase::backing_off), "error");
    EXPECT_EQ(word(Phase::parked), "stopped");
    EXPECT_EQ(name(Phase::backing_off), "backing_off");
}

TEST(EventFeed, CallsWhoIsSubscribedWhileTheyAre) {
    EventFeed feed;
    int first = 0;
    int second = 0;
    std::uint64_t token = 0;
    token = feed.subscribe([&](const FeedEvent&) {
        ++first;
        feed.unsubscribe(token);  // from inside its own call
    });
    feed.subscribe([&](const FeedEvent& event) { second += static_cast<int>(event.id); });
    feed.publish({.id = 1, .type = "state", .json = "{}", .at = {}});
    feed.publish({.id = 2, .type = "state", .json = "{}", .at = {}});
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 3);
}

}  // namespace
}  // namespace nova::lifecycle

#include <algorithm>

#include <gtest/gtest.h>

#include "lifecycle/backend_controller.hpp"
#include "lifecycle/sim_nova.hpp"

namespace nova::lifecycle {
namespace {

bool knows(const SlotView& view, const std::string& model) {
    return std::ranges::find(view.known_models, model) != view.known_models.end();
}

class BackendLoading : public testing::Test {
protected:
    BackendLoading() : nova_{io_, clock_, machine_, store_} { nova_.run_for(Milliseconds{10}); }

    const SlotView& told() const { return nova_.traffic.last; }

    asio::io_context io_{1};
    VirtualClock clock_;
    SimMachine machine_;
    store::MemoryStore store_;
    Nova nova_;
};

TEST_F(BackendLoading, ClientsAreToldTheProgressOfWhatIsOnItsWay) {
    nova_.weights.takes = std::chrono::seconds{5};
    nova_.want("first");
    nova_.run_for(Milliseconds{500});
    EXPECT_FALSE(told().open);
    ASSERT_TRUE(told().loading);
    EXPECT_EQ(told().loading->phase, "pulling");
    EXPECT_EQ(told().loading->progress, 0.5);
    EXPECT_FALSE(told().loading->eta_s) << "one look is no rate";
    EXPECT_TRUE(knows(told(), "first"));
    nova_.run_for(std::chrono::seconds{10});
    EXPECT_TRUE(told().open);
    EXPECT_FALSE(told().loading);
}

TEST_F(BackendLoading, WhatIsWantedIsKnownWhileTheOldSideStillServes) {
    nova_.want("first");
    nova_.run_for(std::chrono::seconds{3});
    ASSERT_TRUE(told().open);
    nova_.weights.takes = std::chrono::seconds{5};
    nova_.want("second");
    nova_.run_for(Milliseconds{500});
    EXPECT_TRUE(told().open) << "the model is fetched while the old one serves";
    EXPECT_TRUE(knows(told(), "second"));
    ASSERT_TRUE(told().loading);
    EXPECT_EQ(told().loading->progress, 0.5);
    nova_.run_for(std::chrono::seconds{15});
    EXPECT_TRUE(told().open);
    EXPECT_FALSE(told().loading);
}

TEST_F(BackendLoading, AGatewayThatWasAwayIsToldWhenItIsBack) {
    nova_.weights.takes = std::chrono::seconds{30};
    nova_.traffic.away = true;
    nova_.want("first");
    nova_.run_for(std::chrono::seconds{3});
    nova_.weights.takes = {};
    nova_.traffic.away = false;
    EXPECT_FALSE(told().loading);
    nova_.run_for(std::chrono::seconds{2});
    ASSERT_TRUE(told().loading);
    EXPECT_EQ(told().loading->phase, "pulling");
}

}  // namespace
}  // namespace nova::lifecycle

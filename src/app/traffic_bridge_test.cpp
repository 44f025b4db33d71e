#include <gtest/gtest.h>

#include "app/traffic_bridge.hpp"

namespace nova::app {
namespace {

TEST(TrafficBridge, AClosedViewHasNoUpstreamButSaysWhy) {
    lifecycle::SlotView view;
    view.slot = SlotName{"local"};
    view.provider = "llamacpp";
    view.known_models = {"m"};
    view.error = "broken";
    view.loading = lifecycle::LoadingView{.phase = "starting", .progress = 0.5, .eta_s = {}};
    const auto table = routing_table_from(view, Epoch{7});
    EXPECT_EQ(table.epoch.value, 7U);
    EXPECT_EQ(table.local, nullptr);
    EXPECT_EQ(table.wanted_provider, "llamacpp");
    EXPECT_EQ(table.known_models, std::vector<std::string>{"m"});
    EXPECT_EQ(table.error, "broken");
    ASSERT_TRUE(table.loading);
    EXPECT_EQ(table.loading->phase, "starting");
    EXPECT_EQ(table.loading->progress, 0.5);
    EXPECT_EQ(table.slot.value, "local");
    EXPECT_FALSE(table.parked);
    view.parked = true;
    EXPECT_TRUE(routing_table_from(view, Epoch{8}).parked);
}

TEST(TrafficBridge, AnOpenViewBecomesItsUpstream) {
    lifecycle::SlotView view;
    view.provider = "custom";
    view.open = lifecycle::UpstreamView{};
    view.open->id = UpstreamId{"local/3"};
    view.open->provider = "custom";
    view.open->endpoint = {.host = "127.0.0.1", .port = 9};
    view.open->base_path = "/api/v1";
    view.open->auth_header_name = "X-Key";
    view.open->auth_header_value = Secret{"s3cret"};
    view.open->models_known = false;
    const auto table = routing_table_from(view, Epoch{1});
    ASSERT_NE(table.local, nullptr);
    EXPECT_EQ(table.local->id.value, "local/3");
    EXPECT_EQ(table.local->endpoint.port, 9);
    EXPECT_EQ(table.local->base_path, "/api/v1");
    EXPECT_EQ(table.local->auth_header_name, "X-Key");
    EXPECT_EQ(table.local->auth_header_value.reveal(), "s3cret");
    EXPECT_TRUE(table.local->serves("anything"));
}

}  // namespace
}  // namespace nova::app

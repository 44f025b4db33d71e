#include <gtest/gtest.h>

#include "app/setting_policies.hpp"
#include "store/memory_store.hpp"

namespace nova::app {
namespace {

using namespace std::chrono_literals;

config::Settings
settings_with(store::MemoryStore& store, const std::map<std::string, std::string>& values) {
    std::map<std::string, config::Layered<std::string>> seeds;
    for (const auto& [name, value] : values) {
        seeds[name] = {.value = value, .layer = config::Layer::environment, .where = "test"};
    }
    return config::Settings{store, std::move(seeds)};
}

TEST(SettingPolicies, WithoutSettingsTheGatewayGoesByItsOwnDefaults) {
    store::MemoryStore store;
    const auto policy = gateway_policy(settings_with(store, {}));
    const gateway::GatewayPolicy own;
    EXPECT_EQ(policy.first_content_timeout, own.first_content_timeout);
    EXPECT_EQ(policy.total_timeout, own.total_timeout);
    EXPECT_EQ(policy.heartbeat, own.heartbeat);
    EXPECT_EQ(policy.loading_wait_most, own.loading_wait_most);
    EXPECT_EQ(policy.waiting_places, own.waiting_places);
}

TEST(SettingPolicies, EachSettingReachesItsPlace) {
    store::MemoryStore store;
    const auto policy = gateway_policy(settings_with(
        store, {{"gateway.first_content_s", "7"},
                {"gateway.total_s", "8"},
                {"gateway.heartbeat_s", "9"},
                {"gateway.upstream_timeout_s", "10"},
                {"gateway.stall_s", "11"},
                {"gateway.body_mib", "2"},
                {"loading.wait_s", "12"}}
    ));
    EXPECT_EQ(policy.first_content_timeout, 7s);
    EXPECT_EQ(policy.head_timeout, 7s) << "the head is a part of it";
    EXPECT_EQ(policy.total_timeout, 8s);
    EXPECT_EQ(policy.heartbeat, 9s);
    EXPECT_EQ(policy.idle_timeout, 10s);
    EXPECT_EQ(policy.stall_timeout, 11s);
    EXPECT_EQ(policy.body_bytes, 2U << 20U);
    EXPECT_EQ(policy.loading_wait, 12s);
    const auto lifecycle = lifecycle_policy(settings_with(store, {{"idle_unload_s", "100"}}));
    EXPECT_EQ(lifecycle.idle_unload, 100s);
    EXPECT_EQ(lifecycle.drain, 15s);
}

}  // namespace
}  // namespace nova::app

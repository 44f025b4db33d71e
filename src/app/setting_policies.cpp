// From settings to the values the planes go by.
#include "app/setting_policies.hpp"

#include <utility>

#include "core/units.hpp"
#include "lifecycle/supervision.hpp"

namespace nova::app {

gateway::GatewayPolicy gateway_policy(const config::Settings& settings) {
    gateway::GatewayPolicy policy;
    policy.body_bytes = mib(static_cast<std::uint64_t>(settings.integer("gateway.body_mib"))).count;
    policy.stall_timeout = std::chrono::seconds{settings.integer("gateway.stall_s")};
    policy.idle_timeout = std::chrono::seconds{settings.integer("gateway.upstream_timeout_s")};
    policy.head_timeout = std::chrono::seconds{settings.integer("gateway.first_content_s")};
    policy.first_content_timeout = policy.head_timeout;  // the head is a part of it
    policy.total_timeout = std::chrono::seconds{settings.integer("gateway.total_s")};
    policy.heartbeat = std::chrono::seconds{settings.integer("gateway.heartbeat_s")};
    policy.loading_wait = std::chrono::seconds{settings.integer("loading.wait_s")};
    policy.loading_wait_most = std::chrono::seconds{settings.integer("loading.wait_most_s")};
    policy.waiting_places = static_cast<std::size_t>(settings.integer("loading.places"));
    return policy;
}

lifecycle::LifecyclePolicy lifecycle_policy(const config::Settings& settings) {
    lifecycle::LifecyclePolicy policy;
    policy.start_limit = std::chrono::seconds{settings.integer("start_limit_s")};
    policy.drain = std::chrono::seconds{settings.integer("drain_s")};
    policy.probe_interval = std::chrono::seconds{settings.integer("probe_interval_s")};
    policy.strikes = static_cast<std::uint32_t>(settings.integer("probe_strikes"));
    policy.probe_limit = std::chrono::seconds{settings.integer("probe_limit_s")};
    policy.busy_doubt = std::chrono::seconds{settings.integer("busy_doubt_s")};
    policy.stall_limit = std::chrono::seconds{settings.integer("stall_limit_s")};
    policy.canary_interval = std::chrono::seconds{settings.integer("canary_interval_s")};
    policy.canary_limit = std::chrono::seconds{settings.integer("canary_limit_s")};
    policy.idle_unload = std::chrono::seconds{settings.integer("idle_unload_s")};
    policy.idle_look = lifecycle::idle_look_for(policy.idle_unload);
    return policy;
}

lifecycle::ControllerOptions
controller_options(const config::Settings& settings, InstallId install, std::string_view slot) {
    return {
        .install = std::move(install),
        .slot = SlotName{std::string{slot}},
        .policy = lifecycle_policy(settings),
        .strategy = lifecycle::strategy_from(settings.text("switch_strategy"))
                        .value_or(lifecycle::Strategy::automatic),
    };
}

}  // namespace nova::app

// What the planes go by, out of the settings.
#pragma once

#include "config/settings.hpp"
#include "gateway/policy.hpp"
#include "lifecycle/transition.hpp"

namespace nova::app {

gateway::GatewayPolicy gateway_policy(const config::Settings& settings);
lifecycle::LifecyclePolicy lifecycle_policy(const config::Settings& settings);

}  // namespace nova::app

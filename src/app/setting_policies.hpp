// What the planes go by, out of the settings.
#pragma once

#include <string_view>

#include "config/settings.hpp"
#include "gateway/policy.hpp"
#include "lifecycle/controller_ports.hpp"
#include "lifecycle/transition.hpp"

namespace nova::app {

gateway::GatewayPolicy gateway_policy(const config::Settings& settings);
lifecycle::LifecyclePolicy lifecycle_policy(const config::Settings& settings);
lifecycle::ControllerOptions
controller_options(const config::Settings& settings, InstallId install, std::string_view slot);

}  // namespace nova::app

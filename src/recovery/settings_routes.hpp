// The control API's routes about settings and the mode, which is one of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "recovery/guarded_route.hpp"

namespace nova::recovery {

struct SettingsAccess {
    config::Settings& settings;
    // Makes the change true where it can be at once; called with the names after they are stored.
    std::function<Task<void>(std::vector<std::string> names)> changed;
};

// One setting with value, source layer, default and bounds. A confidential value is left out.
Json setting_json(const config::Settings::Explained& explained);

// auth and access must outlive the table.
void add_settings_routes(net::RouteTable& table, AdminAuth& auth, SettingsAccess& access);

}  // namespace nova::recovery

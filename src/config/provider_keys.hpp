// The environment variables that may hold a cloud's key, and those that do.
#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "config/environment.hpp"
#include "core/secret.hpp"

namespace nova::config {

// No other variable is ever read as a key, whatever data says.
std::span<const std::string_view> provider_key_variables();

// By variable, in the order of that list; unset and empty ones are left out.
std::vector<std::pair<std::string_view, Secret>> provider_keys(const Environment& environment);

}  // namespace nova::config

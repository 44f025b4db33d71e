// Which nova this is.
#pragma once

#include <string_view>

namespace nova::app {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace nova::app

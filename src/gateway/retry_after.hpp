// A provider's Retry-After, as far as nova obeys it.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "core/clock.hpp"

namespace nova::gateway {

// Days have been seen (reference/gateway.md, trap 47): nobody is sent away for longer.
inline constexpr std::chrono::seconds kLongestRetryAfter{120};

// Seconds, or an HTTP date (RFC 9110 10.2.3). Clamped to 1 s .. kLongestRetryAfter; empty when it
// says neither.
std::optional<std::chrono::seconds> retry_after(std::string_view value, WallTime now);

}  // namespace nova::gateway

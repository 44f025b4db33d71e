// GET /inference/backend/logs?follow=1: the instance's log as it grows.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/clock.hpp"
#include "core/task.hpp"
#include "lifecycle/backend_control.hpp"
#include "net/exchange.hpp"

namespace nova::recovery {

inline constexpr std::string_view kLogType = "text/plain; charset=utf-8";

// Writes the last `lines`, then new lines as they come, until the client leaves. A restart of the
// instance goes on with the new run's log.
Task<void> follow_log(
    net::Exchange& exchange, lifecycle::BackendControl& backend, Clock& clock, std::size_t lines
);

// What of `now` was not in `before`, when both are ends of one growing text: everything behind the
// longest end of `before` that `now` begins with. All of `now` when they have nothing in common.
std::string_view grown_part(std::string_view before, std::string_view now);

}  // namespace nova::recovery

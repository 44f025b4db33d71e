// The page at /metrics: sums over all workers, as Prometheus reads it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gateway/api_keys.hpp"
#include "gateway/breaker.hpp"
#include "gateway/metrics.hpp"
#include "gateway/policy.hpp"
#include "gateway/prometheus_text.hpp"

namespace nova::gateway {

// Every family there is, in the order of the page.
std::span<const Family> metric_families();

struct MetricsSources {
    const Metrics& metrics;
    const AllCounters& counters;
    const KeyRefusals& refused;
    const RoutingTable& table;  // of the worker that is asked
    BreakerBoard& breakers;
    TimePoint now;
    std::string_view version;
};

// Any thread.
std::string metrics_text(const MetricsSources& sources);

// A backend's state as contract.md 4 words it, as far as the table tells.
std::string_view state_of(const RoutingTable& table);

}  // namespace nova::gateway

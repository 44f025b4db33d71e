// Where a request may go, in order, and why: a pure function of the table and the request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "gateway/routing_table.hpp"

namespace nova::gateway {

struct Access;

// One provider to try.
struct RouteStep {
    std::shared_ptr<const Upstream> upstream;
    std::string model{};  // what it is asked for; empty: as the client wrote it
    std::string why{};    // one word or two for X-Nova-Route: "local", "fallback"
};

struct RoutePlan {
    std::vector<RouteStep> attempts;  // empty exactly when refusal is set
    std::string reason;               // for X-Nova-Route
    std::optional<Error> refusal;
    // Goes into the refusal's body; set exactly when the model is on its way, so that waiting
    // helps.
    std::optional<Loading> loading;
    std::optional<SlotName> wake;      // parked: nobody brings it back until it is woken
    bool waited_as_preferred = false;  // Preference-Applied: wait
};

// Errors in the plan: not_found (word model_not_found), unavailable (known, not ready).
RoutePlan plan_route(const RoutingTable& table, std::string_view model);

// ---- with the embed slot beside the local one

enum class Use : std::uint8_t { generation, embedding };

// Generation goes to the local slot. An embedding goes where its model is named, the embed slot
// first; the local slot's model is embedded by the embed slot when its own engine cannot. Errors
// besides those above: invalid_argument (the model only makes embeddings).
RoutePlan plan_route(const RoutingTable& table, std::string_view model, Use use);

// ---- with clouds behind them

struct RouteRequest {
    std::string_view model;
    Use use = Use::generation;
    const Access* access = nullptr;  // empty: everything is allowed
};

RoutePlan plan_route(const RoutingTable& table, const RouteRequest& request);

}  // namespace nova::gateway

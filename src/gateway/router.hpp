// Where a request may go, in order, and why: a pure function of the table and the request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "gateway/routing_table.hpp"

namespace nova::gateway {

struct RoutePlan {
    std::vector<std::shared_ptr<const Upstream>> attempts;  // empty exactly when refusal is set
    std::string reason;                                     // for X-Nova-Route
    std::optional<Error> refusal;
    // Goes into the refusal's body; set exactly when the model is on its way, so that waiting
    // helps.
    std::optional<Loading> loading;
    std::optional<SlotName> wake;      // parked: nobody brings it back until it is woken
    bool waited_as_preferred = false;  // Preference-Applied: wait
};

// Errors in the plan: not_found (word model_not_found), unavailable (known, not ready).
RoutePlan plan_route(const RoutingTable& table, std::string_view model);

}  // namespace nova::gateway

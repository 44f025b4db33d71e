// A request whose model is on its way: wakes the backend, waits if that was asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "core/task.hpp"
#include "gateway/router.hpp"
#include "gateway/worker_state.hpp"
#include "net/exchange.hpp"

namespace nova::gateway {

struct Patience {
    std::chrono::milliseconds time{0};
    bool preferred = false;  // the client said so, and it is not the setting
};

// `Prefer: wait=N` up to the setting's maximum, else the setting's own.
Patience patience_of(const net::Headers& headers, const GatewayPolicy& policy);

enum class WaitEnd : std::uint8_t { look_at_plan, client_left };

// plan: with loading set, a refusal or what others do meanwhile, which only a client that prefers
// to wait does without; replaced by what is true when the wait has ended, which may be at once. No
// await lies between that look and the return. The exchange's body has been read. replan: the plan
// of this request by the worker's current table.
Task<WaitEnd> wait_for_model(
    net::Exchange& exchange, WorkerState& worker, RoutePlan& plan,
    const std::function<RoutePlan()>& replan
);

}  // namespace nova::gateway

// The gateway's routes: handlers of a few lines over relay and table.
#pragma once

#include "gateway/worker_state.hpp"
#include "net/route_table.hpp"

namespace nova::gateway {

// worker outlives the table.
void add_gateway_routes(net::RouteTable& routes, WorkerState& worker);

}  // namespace nova::gateway

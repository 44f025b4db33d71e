// The gateway's routes: handlers of a few lines over relay and table.
#pragma once

#include <string_view>

#include "gateway/worker_state.hpp"
#include "net/route_table.hpp"

namespace nova::gateway {

// worker outlives the table.
void add_gateway_routes(net::RouteTable& routes, WorkerState& worker);

// Is a POST to that path served by the relay, which asks for a key itself.
bool is_relay_path(std::string_view path);

}  // namespace nova::gateway

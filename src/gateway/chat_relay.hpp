// Relays one request to the providers its model routes to, in order, until one answers.
#pragma once

#include "gateway/relay_route.hpp"
#include "gateway/worker_state.hpp"
#include "net/exchange.hpp"

namespace nova::gateway {

// Reads, routes, forwards and answers; returns when the exchange has ended. worker, exchange and
// route outlive it.
Task<void> relay(net::Exchange& exchange, WorkerState& worker, const RelayRoute& route);

}  // namespace nova::gateway

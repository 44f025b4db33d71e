// The routes by which clients of Ollama look around, in front of any provider.
#pragma once

#include "gateway/worker_state.hpp"
#include "net/route_table.hpp"

namespace nova::gateway {

// GET /api/tags, /api/ps, /api/version, POST /api/show, and a refusal for what manages models.
// worker outlives the table.
void add_ollama_routes(net::RouteTable& routes, WorkerState& worker);

}  // namespace nova::gateway

// One request from admission to its last byte.
#pragma once

#include <string_view>

#include "core/task.hpp"
#include "gateway/worker_state.hpp"
#include "net/exchange.hpp"

namespace nova::gateway {

// Serves a POST with a JSON body that names its model. api_path: path below the API root
// ("/chat/completions"); a literal that lives as long as the program. worker outlives the call.
Task<void> relay(net::Exchange& exchange, WorkerState& worker, std::string_view api_path);

}  // namespace nova::gateway

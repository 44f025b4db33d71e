// A request for a model nobody knows: lists are asked for anew before it is a 404.
#pragma once

#include <functional>

#include "gateway/load_wait.hpp"

namespace nova::gateway {

struct Access;

// Is the plan's answer that nobody knows the model.
bool is_unknown(const RoutePlan& plan);

// Returns when the lists have been asked for, and at once when that has just been done, nobody does
// it, or too many wait already. access: of who asks; without leave for clouds only this machine's
// lists are. found: is the model known by the worker's current table; no await lies between its
// last answer and the return. The exchange's body has been read.
Task<WaitEnd> look_once_more(
    net::Exchange& exchange, WorkerState& worker, const Access* access,
    const std::function<bool()>& found
);

}  // namespace nova::gateway

// What an engine's last words mean for people: cause, remedy, and whether trying again can help.
#pragma once

#include <string_view>

#include "lifecycle/backend_state.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::lifecycle {

// how: "exited with code 1". The excerpt in the result is the end of the log as given: the caller
// redacts before.
Failure read_failure(std::string_view log, std::string_view how, bool out_of_memory);

// The same for an error of a driver, the weights or the planner.
Failure failure_from(const Error& error);

}  // namespace nova::lifecycle

// Waiting for the word to end.
#pragma once

#include "core/task.hpp"

namespace nova::app {

// The number of the next SIGTERM or SIGINT.
Task<int> stop_signal();

}  // namespace nova::app

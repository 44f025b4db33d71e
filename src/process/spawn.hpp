// One program started without a shell, in a session of its own, with nothing inherited by accident.
#pragma once

#include <string>
#include <vector>

#include "core/result.hpp"
#include "process/process_table.hpp"

namespace nova::process {

struct SpawnRequest {
    std::string program{};            // path
    std::vector<std::string> argv{};  // without the program
    std::vector<std::string> env{};   // "KEY=value": exactly the child's environment
    std::string working_directory{};  // empty: the caller's
};

// Standard input is /dev/null, output and error these descriptors, everything else is closed;
// signals are at their defaults, none is blocked. The child is a child of the caller, who has to
// reap it. Errors: not_found, forbidden, exhausted, runtime_failed, naming the program.
Result<ProcessIdentity> spawn(const SpawnRequest& request, int out, int err);

}  // namespace nova::process

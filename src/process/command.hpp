// Short tools (nvidia-smi, a version query): run to the end, their output captured.
#pragma once

#include <string>

#include "core/deadline.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "core/units.hpp"
#include "process/spawn.hpp"

namespace nova::process {

struct CommandOutput {
    int exit_code = 0;  // 128 + signal when a signal ended it, as shells say it
    std::string out;
    std::string err;
    bool truncated = false;  // one of them was longer than the limit; the rest is dropped
};

// Errors: those of process::spawn; timeout: killed at the deadline, with all of its session.
// Cancelled, it is killed as well.
Task<Result<CommandOutput>>
run_command(SpawnRequest request, Deadline deadline, Bytes output_limit = mib(1));

}  // namespace nova::process

// How this module asks other programs: one function that app wires to process/.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/deadline.hpp"
#include "core/result.hpp"
#include "core/task.hpp"

namespace nova::hardware {

struct CommandOutput {
    int exit_code = 0;
    std::string out{};
    std::string err{};
};

// Runs argv[0] (looked up on PATH unless it has a slash) without a shell and captures both streams.
// Errors: not_found (no such program), timeout (killed at the deadline), anything else as it comes.
// A program that ran and failed is a value with its exit code.
using CommandRunner =
    std::function<Task<Result<CommandOutput>>(std::vector<std::string> argv, Deadline deadline)>;

}  // namespace nova::hardware

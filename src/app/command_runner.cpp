// Running nvidia-smi and its like.
#include "app/command_runner.hpp"

#include <utility>

#include <fmt/format.h>

#include "process/command.hpp"
#include "process/program_search.hpp"

namespace nova::app {
namespace {

Task<Result<hardware::CommandOutput>>
run(std::string path, std::vector<std::string> argv, Deadline deadline) {
    NOVA_CHECK(!argv.empty());
    const auto program = process::find_program(argv.front(), process::folders_of(path));
    if (!program) {
        co_return fail(ErrorCode::not_found, fmt::format("{} is not on PATH.", argv.front()));
    }
    process::SpawnRequest request;
    request.program = *program;
    request.argv.assign(argv.begin() + 1, argv.end());
    request.env = {"PATH=" + path, "LANG=C", "LC_ALL=C"};
    request.working_directory = "/";
    auto output = co_await process::run_command(std::move(request), deadline);
    if (!output) {
        co_return propagate(output);
    }
    co_return hardware::CommandOutput{
        .exit_code = output->exit_code, .out = std::move(output->out), .err = std::move(output->err)
    };
}

}  // namespace

hardware::CommandRunner command_runner(std::string path) {
    return [path = std::move(path)](std::vector<std::string> argv, Deadline deadline) {
        return run(path, std::move(argv), deadline);
    };
}

}  // namespace nova::app

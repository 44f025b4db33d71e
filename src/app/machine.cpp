// Detection through process/, results in hardware.json.
#include "app/machine.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hardware/hardware_file.hpp"
#include "process/command.hpp"
#include "process/program_search.hpp"

namespace nova::app {
namespace {

using hardware::CommandOutput;

struct ToolRunner {
    std::string path;

    Task<Result<CommandOutput>> operator()(std::vector<std::string> argv, Deadline deadline) const {
        const auto program = process::find_program(argv.front(), process::folders_of(path));
        if (!program) {
            co_return fail(
                ErrorCode::not_found, fmt::format("There is no program {} here.", argv.front())
            );
        }
        process::SpawnRequest request;
        request.program = *program;
        request.argv.assign(argv.begin() + 1, argv.end());
        // LC_ALL=C: the tools' figures are parsed, so no translated words or decimal commas.
        request.env = {"PATH=" + path, "LC_ALL=C"};
        auto output = co_await process::run_command(std::move(request), deadline);
        if (!output) {
            co_return propagate(output);
        }
        co_return CommandOutput{
            .exit_code = output->exit_code,
            .out = std::move(output->out),
            .err = std::move(output->err),
        };
    }
};

hardware::ProbeSettings settings_for(const std::filesystem::path& folder) {
    hardware::ProbeSettings settings;
    settings.weights_folder = folder;
    return settings;
}

}  // namespace

hardware::CommandRunner make_command_runner(const config::Environment& environment) {
    return ToolRunner{config::value_of(environment, "PATH").value_or("/usr/bin:/bin")};
}

Machine::Machine(
    const config::Environment& environment, const Clock& clock, Log& log,
    std::filesystem::path folder
)
    : log_{log}, file_{folder / "hardware.json"},
      probe_{make_command_runner(environment), clock, settings_for(folder)} {
    auto stored = hardware::load_hardware_file(file_);
    if (!stored) {
        log_.warn("hardware.file_unusable", {{"detail", stored.error().message}});
    } else if (*stored) {
        snapshot_ = std::move(**stored);
        known_ = true;
    }
}

Task<Result<void>> Machine::detect() {
    hardware::Detection detection = co_await probe_.detect();
    if (known_) {
        auto merged =
            hardware::merge(snapshot_, detection.snapshot, hardware::Overwrite::keep_richer);
        for (const std::string& sentence : merged.kept) {
            log_.warn("hardware.kept", {{"detail", sentence}});
        }
        snapshot_ = std::move(merged.snapshot);
    } else {
        snapshot_ = std::move(detection.snapshot);
    }
    known_ = true;
    co_return hardware::save_hardware_file(file_, snapshot_);
}

Task<Result<std::string>> Machine::stats() {
    const auto stats = co_await probe_.gpu_stats(snapshot_);
    co_return hardware::to_json(stats).dump();
}

Task<std::vector<hardware::GpuStats>> Machine::gpu_stats() {
    if (snapshot_.gpus.empty()) {
        co_return std::vector<hardware::GpuStats>{};
    }
    co_return co_await probe_.gpu_stats(snapshot_);
}

recovery::HardwareAccess Machine::access() {
    recovery::HardwareAccess access;
    access.current = [this]() -> Task<Result<std::string>> {
        if (!known_) {
            co_return fail(
                ErrorCode::not_found, "This machine's hardware has not been detected yet.",
                "Run: nova detect"
            );
        }
        co_return hardware::to_json(snapshot_).dump();
    };
    access.detect = [this]() -> Task<Result<std::string>> {
        const auto saved = co_await detect();
        if (!saved) {
            co_return propagate(saved);
        }
        co_return hardware::to_json(snapshot_).dump();
    };
    access.gpu_stats = [this] { return stats(); };
    return access;
}

}  // namespace nova::app

// Detection through process/, results in hardware.json.
#include "app/machine.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "hardware/hardware_file.hpp"
#include "process/command.hpp"
#include "process/program_search.hpp"

namespace nova::app {
namespace {

using hardware::CommandOutput;

constexpr std::chrono::seconds kFresh{40};

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

hardware::CommandRunner
exec_runner(runtime::RuntimeDriver* driver, runtime::InstanceHandle handle) {
    if (driver == nullptr) {
        return {};
    }
    return [driver, handle = std::move(handle)](
               std::vector<std::string> argv, Deadline deadline
           ) -> Task<Result<CommandOutput>> {
        auto output = co_await driver->exec(handle, std::move(argv), deadline);
        if (!output) {
            co_return propagate(output);
        }
        co_return CommandOutput{
            .exit_code = output->exit_code,
            .out = std::move(output->out),
            .err = std::move(output->err),
        };
    };
}

Machine::Machine(
    const config::Environment& environment, const Clock& clock, Log& log,
    std::filesystem::path folder
)
    : log_{log}, file_{folder / "hardware.json"},
      probe_{make_command_runner(environment), clock, settings_for(folder)}, clock_{clock} {
    auto stored = hardware::load_hardware_file(file_);
    if (!stored) {
        log_.warn("hardware.file_unusable", {{"detail", stored.error().message}});
    } else if (*stored) {
        snapshot_ = std::move(**stored);
        known_ = true;
    }
}

Task<Result<void>> Machine::detect(hardware::Overwrite overwrite) {
    hardware::Detection detection = co_await probe_.detect();
    if (known_) {
        auto merged = hardware::merge(snapshot_, detection.snapshot, overwrite, detection.complete);
        for (const std::string& sentence : merged.kept) {
            log_.warn("hardware.kept", {{"detail", sentence}});
        }
        snapshot_ = std::move(merged.snapshot);
        kept_ = std::move(merged.kept);
    } else {
        snapshot_ = std::move(detection.snapshot);
    }
    known_ = true;
    co_return hardware::save_hardware_file(file_, snapshot_);
}

Task<void> Machine::detect_at_start() {
    const auto saved = co_await detect(hardware::Overwrite::keep_richer);
    if (!saved) {
        log_.warn("hardware.not_saved", {{"detail", saved.error().message}});
    }
}

Task<Result<std::string>> Machine::stats() {
    const auto report = co_await look_at_gpus();
    co_return json_text(hardware::to_json(report.gpus));
}

Task<std::vector<hardware::GpuStats>> Machine::gpu_stats() {
    if (snapshot_.gpus.empty()) {
        co_return std::vector<hardware::GpuStats>{};
    }
    // Asked often and while a container ends: its tool only where the host has none.
    auto report = co_await ask_gpus({});
    if (report.gpus.empty()) {
        report = co_await look_at_gpus();
    }
    co_return std::move(report.gpus);
}

Task<hardware::GpuReport> Machine::look_at_gpus() {
    co_return co_await ask_gpus(inside_ ? inside_() : hardware::CommandRunner{});
}

Task<hardware::GpuReport> Machine::ask_gpus(hardware::CommandRunner inside) {
    auto report = co_await probe_.look_at_gpus(snapshot_, std::move(inside));
    stats_ = report.gpus;
    stats_at_ = clock_.now();
    co_return report;
}

std::vector<hardware::GpuStats> Machine::fresh_stats() const {
    return clock_.now() - stats_at_ <= kFresh ? stats_ : std::vector<hardware::GpuStats>{};
}

std::string Machine::text() const {
    Json value = hardware::to_json(snapshot_);
    value["kept"] = kept_;
    value["gpu_trouble"] =
        finding_.trouble == hardware::GpuTrouble::none ? Json() : hardware::to_json(finding_);
    return json_text(value);
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
        co_return text();
    };
    access.detect = [this](hardware::Overwrite overwrite) -> Task<Result<std::string>> {
        const auto saved = co_await detect(overwrite);
        if (!saved) {
            co_return propagate(saved);
        }
        co_return text();
    };
    access.gpu_stats = [this] { return stats(); };
    return access;
}

}  // namespace nova::app

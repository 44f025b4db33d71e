// What the daemon knows about the machine it runs on: detected in the background, kept in a file.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/environment.hpp"
#include "core/log.hpp"
#include "hardware/hardware_probe.hpp"
#include "recovery/recovery_routes.hpp"
#include "runtime/runtime_driver.hpp"

namespace nova::app {

// Runs short tools for the hardware probe, found on PATH.
hardware::CommandRunner make_command_runner(const config::Environment& environment);

// The same tools inside an instance; an empty runner without a driver.
hardware::CommandRunner exec_runner(runtime::RuntimeDriver* driver, runtime::InstanceHandle handle);

// Control thread only. Start-up never waits for it: until the first detection ended, plans use what
// the last one left in the file, else what the kernel says at once.
class Machine {
public:
    Machine(
        const config::Environment& environment, const Clock& clock, Log& log,
        std::filesystem::path folder
    );

    // Detects, merges with what is known, writes the file. Error: the file could not be written.
    Task<Result<void>> detect(hardware::Overwrite overwrite);
    // The same; an error is only logged.
    Task<void> detect_at_start();

    const hardware::HardwareSnapshot& snapshot() const { return snapshot_; }

    // What the vendors' tools say right now; empty without a GPU.
    Task<std::vector<hardware::GpuStats>> gpu_stats();

    // The same with what each of them complains about.
    Task<hardware::GpuReport> look_at_gpus();

    // The same as it was when last asked; empty when that is more than 40 s ago.
    std::vector<hardware::GpuStats> fresh_stats() const;

    // What is wrong with the GPUs, as GET /hardware tells it.
    void note(const hardware::GpuFinding& finding) { finding_ = finding; }

    // How to run a tool in the container of the engine that runs; an empty runner when none does.
    void ask_inside(std::function<hardware::CommandRunner()> inside) {
        inside_ = std::move(inside);
    }

    recovery::HardwareAccess access();

private:
    Task<Result<std::string>> stats();
    Task<hardware::GpuReport> ask_gpus(hardware::CommandRunner inside);
    std::string text() const;

    Log& log_;
    std::filesystem::path file_;
    hardware::HardwareProbe probe_;
    std::function<hardware::CommandRunner()> inside_;
    const Clock& clock_;
    hardware::GpuFinding finding_;
    std::vector<hardware::GpuStats> stats_;
    TimePoint stats_at_{};
    hardware::HardwareSnapshot snapshot_;
    std::vector<std::string> kept_;  // sentences of the last detection
    bool known_ = false;
};

}  // namespace nova::app

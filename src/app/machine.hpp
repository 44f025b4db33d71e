// What the daemon knows about the machine it runs on: detected in the background, kept in a file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/environment.hpp"
#include "core/log.hpp"
#include "hardware/hardware_probe.hpp"
#include "recovery/recovery_routes.hpp"

namespace nova::app {

// Runs short tools for the hardware probe, found on PATH.
hardware::CommandRunner make_command_runner(const config::Environment& environment);

// Control thread only. Start-up never waits for it: until the first detection ended, plans use what
// the last one left in the file, else what the kernel says at once.
class Machine {
public:
    Machine(
        const config::Environment& environment, const Clock& clock, Log& log,
        std::filesystem::path folder
    );

    // Detects, merges with what is known, writes the file. Error: the file could not be written.
    Task<Result<void>> detect();

    const hardware::HardwareSnapshot& snapshot() const { return snapshot_; }

    // What the vendors' tools say right now; empty without a GPU.
    Task<std::vector<hardware::GpuStats>> gpu_stats();

    recovery::HardwareAccess access();

private:
    Task<Result<std::string>> stats();

    Log& log_;
    std::filesystem::path file_;
    hardware::HardwareProbe probe_;
    hardware::HardwareSnapshot snapshot_;
    bool known_ = false;
};

}  // namespace nova::app

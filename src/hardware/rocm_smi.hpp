// Asking rocm-smi for AMD cards: presence, name, memory, architecture; and for live figures.
#pragma once

#include <string>
#include <vector>

#include "hardware/command_runner.hpp"
#include "hardware/gpu_stats.hpp"
#include "hardware/hardware_snapshot.hpp"

namespace nova::hardware {

struct RocmReading {
    bool tool = false;  // rocm-smi is installed
    std::vector<GpuDevice> gpus{};
    std::string sentence{};  // why there are none, where that is worth saying
};

std::vector<std::string> rocm_inventory_argv();
RocmReading parse_rocm_inventory(const Result<CommandOutput>& output);

std::vector<std::string> rocm_stats_argv();
// Empty when the text has no card. AMD's tools name no processes nova could show.
std::vector<GpuStats> parse_rocm_stats(const std::string& text);

}  // namespace nova::hardware

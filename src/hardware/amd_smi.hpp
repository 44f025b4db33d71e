// Asking amd-smi, the successor of rocm-smi: arrays, or objects around them, of sections that may
// be "N/A" as a whole.
#pragma once

#include <string>
#include <vector>

#include "hardware/gpu_stats.hpp"
#include "hardware/rocm_smi.hpp"

namespace nova::hardware {

std::vector<std::string> amd_static_argv();
std::vector<std::string> amd_metric_argv();

RocmReading parse_amd_inventory(const Result<CommandOutput>& output);

// Limits and names come from the static half; either may be empty.
std::vector<GpuStats> parse_amd_stats(const std::string& statics, const std::string& metrics);

}  // namespace nova::hardware

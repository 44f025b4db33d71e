// Live figures of GPUs: a parser, because the text may also come out of a container.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "hardware/command_runner.hpp"
#include "hardware/hardware_snapshot.hpp"

namespace nova::hardware {

struct GpuProcess {
    std::uint64_t pid = 0;
    std::string name{};
    std::optional<Bytes> vram_used{};  // Windows drivers under WSL2 do not say

    bool operator==(const GpuProcess&) const = default;
};

// Whatever the device does not say is empty and becomes null, never 0.
struct GpuStats {
    unsigned index = 0;  // per vendor, as in GpuDevice
    GpuVendor vendor = GpuVendor::nvidia;
    std::string uuid{};
    std::string name{};
    std::optional<double> utilization_pct{};
    std::optional<Bytes> vram_used{};
    std::optional<Bytes> vram_total{};
    std::optional<double> temperature_c{};
    std::optional<double> power_w{};
    std::optional<double> power_limit_w{};
    std::vector<GpuProcess> processes{};

    bool operator==(const GpuStats&) const = default;
};

std::vector<std::string> nvidia_stats_argv(const std::string& program);
std::vector<std::string> nvidia_processes_argv(const std::string& program);

// The two outputs of the commands above; lines that are no rows are passed over.
std::vector<GpuStats> parse_nvidia_stats(const std::string& stats, const std::string& processes);

// Devices without memory figures of their own (GB10): the sum of what processes hold is the use,
// the machine's RAM the total.
void fill_unified_memory(std::vector<GpuStats>& stats, const HardwareSnapshot& snapshot);

Json to_json(const std::vector<GpuStats>& stats);

}  // namespace nova::hardware

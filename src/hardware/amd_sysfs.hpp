// AMD cards as the kernel shows them, for machines without AMD's tools.
#pragma once

#include <vector>

#include "hardware/gpu_stats.hpp"
#include "hardware/hardware_snapshot.hpp"
#include "hardware/host_facts.hpp"

namespace nova::hardware {

struct AmdSysfs {
    std::vector<GpuDevice> gpus{};  // in the order of their card numbers
    std::vector<GpuStats> stats{};  // likewise
    bool compute = false;           // /dev/kfd is there: ROCm can use them
};

// Reads a dozen small files a card; what cannot be read stays empty.
AmdSysfs read_amd_sysfs(const HostRoots& roots);

}  // namespace nova::hardware

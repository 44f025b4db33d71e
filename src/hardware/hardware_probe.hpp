// Asks every source at once, each with its own time limit, and merges what they said.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/task.hpp"
#include "hardware/command_runner.hpp"
#include "hardware/gpu_stats.hpp"
#include "hardware/hardware_snapshot.hpp"
#include "hardware/host_facts.hpp"

namespace nova::hardware {

struct ProbeSettings {
    HostRoots roots{};
    std::filesystem::path weights_folder = ".";  // whose free space counts
    std::chrono::seconds source_limit{5};
};

// One source and what came of it, for `nova detect` and `nova doctor`.
struct SourceReport {
    std::string source;  // "procfs", "nvidia-smi", "rocm-smi", "docker"
    bool contributed = false;
    std::string sentence;  // empty when there is nothing to say
};

struct Detection {
    HardwareSnapshot snapshot;
    std::vector<SourceReport> reports;
    bool container = false;
    bool wsl2 = false;
};

// Never fails: a machine about which little can be found out has a snapshot with little in it.
class HardwareProbe {
public:
    // The clock must outlive the probe; the runner must keep to its deadline.
    HardwareProbe(CommandRunner runner, const Clock& clock, ProbeSettings settings);

    Task<Detection> detect();
    // Live figures of NVIDIA GPUs; empty without them. The snapshot names unified-memory parts.
    Task<std::vector<GpuStats>> gpu_stats(HardwareSnapshot snapshot);

private:
    struct NvidiaPart;
    struct DockerPart;
    Task<NvidiaPart> ask_nvidia();
    Task<DockerPart> ask_docker();
    Deadline deadline() const;

    CommandRunner runner_;
    const Clock& clock_;
    ProbeSettings settings_;
};

}  // namespace nova::hardware

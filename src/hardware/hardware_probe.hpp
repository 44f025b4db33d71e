// Asks every source at once, each with its own time limit, and merges what they said.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/task.hpp"
#include "hardware/command_runner.hpp"
#include "hardware/gpu_health.hpp"
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
    // Whose cards are all listed. None in a container, which may have been given some of them.
    std::vector<GpuVendor> complete{};
    bool container = false;
    bool wsl2 = false;
};

// Never fails: a machine about which little can be found out has a snapshot with little in it.
class HardwareProbe {
public:
    // The clock must outlive the probe; the runner must keep to its deadline.
    HardwareProbe(CommandRunner runner, const Clock& clock, ProbeSettings settings);

    Task<Detection> detect();
    // Live figures: of the host's tools, else of the same tools run by `inside` (in the engine's
    // container; may be empty), else of the kernel. The snapshot names unified-memory parts.
    Task<GpuReport> look_at_gpus(HardwareSnapshot snapshot, CommandRunner inside);

private:
    struct NvidiaPart;
    struct DockerPart;
    struct AmdPart;
    Task<NvidiaPart> ask_nvidia();
    Task<AmdPart> ask_amd();
    Task<NvidiaReading> host_figures(GpuReport& report);
    Task<void> figures_inside(GpuReport& report, const CommandRunner& inside);
    Task<void> amd_figures(GpuReport& report, const CommandRunner& inside);
    Task<DockerPart> ask_docker();
    Deadline deadline() const;

    CommandRunner runner_;
    const Clock& clock_;
    ProbeSettings settings_;
};

}  // namespace nova::hardware

// What stands in the way of an engine in a container, found before anything is stopped for it:
// pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/units.hpp"
#include "engine/engine_spec.hpp"
#include "hardware/hardware_snapshot.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::engine {

// What was found out about Docker and its machine; what nobody could say is empty.
struct ContainerFacts {
    std::string socket = "/var/run/docker.sock";
    bool daemon = false;
    std::string why_not{};  // it does not answer: the error's words
    std::string version{};
    bool podman = false;
    bool nvidia_runtime = false;        // registered with the daemon
    bool nvidia_cdi = false;            // device files for nvidia.com/gpu
    std::optional<bool> nvidia_hook{};  // the daemon's machine has the toolkit's hook
    bool kfd = false;                   // /dev/kfd, through which ROCm computes
    std::string images_folder{};        // where the daemon keeps them
    std::optional<Bytes> images_free{};
    std::optional<bool> image_here{};
    std::optional<bool> port_free{};  // of a port that must be this one
};

enum class CheckVerdict : std::uint8_t { ok, warn, fail };

struct Check {
    std::string name;  // "docker", "image", "image disk", "gpu runtime", "gpu driver", "port"
    CheckVerdict verdict = CheckVerdict::ok;
    std::string detail;
    std::string remedy{};

    bool operator==(const Check&) const = default;
};

// Everything that was looked at, in the order of the names above. instance: what would be started.
std::vector<Check> preflight(
    const EngineSpec& engine, const runtime::InstanceSpec& instance,
    const hardware::HardwareSnapshot& hardware, const ContainerFacts& facts
);

// Docker by itself, when no engine is meant yet.
Check check_docker(const ContainerFacts& facts);
Check check_gpu_runtime(
    const std::string& accelerator, const hardware::HardwareSnapshot& hardware,
    const ContainerFacts& facts
);

// Error precondition with the first failure; nothing when none of them stands in the way.
Result<void> refusal_of(const std::vector<Check>& checks);

}  // namespace nova::engine

// What this machine has, as one value: detected by hardware_probe, kept in hardware.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/json.hpp"
#include "core/result.hpp"
#include "core/units.hpp"

namespace nova::hardware {

enum class GpuVendor : std::uint8_t { nvidia, amd, intel, other };
enum class DockerGpuRuntime : std::uint8_t { none, nvidia, rocm };

std::string_view word(GpuVendor vendor);
std::string_view word(DockerGpuRuntime runtime);

// A slice of a partitioned NVIDIA card, as `nvidia-smi -L` names it.
struct MigDevice {
    std::string profile;  // "3g.40gb"
    std::string uuid;     // "MIG-..."; what engines take as device id

    bool operator==(const MigDevice&) const = default;
};

struct GpuDevice {
    unsigned index = 0;  // per vendor, as the vendor's tool counts
    GpuVendor vendor = GpuVendor::other;
    std::string name{};
    std::optional<Bytes> vram{};  // empty: the device does not say; never a guess
    std::string driver{};         // empty: unknown, likewise the next two
    std::string uuid{};
    std::string compute_capability{};  // NVIDIA "8.9", AMD "gfx1100"
    bool unified_memory = false;       // shares the RAM (GB10, Jetson): see memory_of()
    bool mig_enabled = false;          // vram is the whole card, but only slices can be used
    std::vector<MigDevice> mig{};

    bool operator==(const GpuDevice&) const = default;
};

struct CpuFacts {
    std::string model{};
    unsigned logical_cores = 0;     // that this process may run on
    unsigned physical_cores = 0;    // without the second threads
    std::optional<double> limit{};  // CPUs' worth of time the control group grants
    std::vector<std::string> flags{};

    // Logical cores after the limit, rounded up, at least 1 when any is known.
    unsigned usable_cores() const;

    bool operator==(const CpuFacts&) const = default;
};

struct HardwareSnapshot {
    std::vector<GpuDevice> gpus{};
    DockerGpuRuntime docker_gpu_runtime = DockerGpuRuntime::none;
    CpuFacts cpu{};
    std::optional<Bytes> ram{};            // usable in total: the control group's limit wins
    std::optional<Bytes> ram_available{};  // at the moment of detection
    std::optional<Bytes> disk_free{};      // where weights are kept
    std::string detected_at{};             // RFC 3339, UTC
    std::string source{};                  // who said something: "procfs,nvidia-smi"

    bool operator==(const HardwareSnapshot&) const = default;
};

// What a model may fill on this device: its own memory, or the RAM where both are one pool.
std::optional<Bytes> memory_of(const HardwareSnapshot& snapshot, const GpuDevice& gpu);

// Both sets of keys, ours and the first Nova's (decisions.md 1.9); unknown is null, not 0.
Json to_json(const HardwareSnapshot& snapshot);
// Reads either set; where both are there ours wins. Error: invalid_argument with the path.
Result<HardwareSnapshot> snapshot_from_json(const Json& value);

enum class Overwrite : std::uint8_t {
    keep_richer,  // what start-up and POST /hardware/detect do
    replace,      // somebody said: the old record is wrong
};

struct MergedSnapshot {
    HardwareSnapshot snapshot;
    std::vector<std::string> kept;  // sentences: what the fresh detection did not see
};

// A detection that sees less (nova in a container without the GPU, a driver being upgraded) must
// not erase what is known: GPUs it misses stay, unknown members are filled from the old record.
// RAM, cores and disk are measured anew each time and always taken when known.
// complete: vendors whose tool listed every card there is, so that others have been taken out.
MergedSnapshot merge(
    const HardwareSnapshot& stored, const HardwareSnapshot& fresh, Overwrite overwrite,
    const std::vector<GpuVendor>& complete = {}
);

}  // namespace nova::hardware

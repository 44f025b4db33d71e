// Which devices an engine is given on this machine, and how much of their memory: pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/units.hpp"
#include "engine/engine_spec.hpp"
#include "hardware/gpu_stats.hpp"
#include "hardware/hardware_snapshot.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::engine {

struct DeviceChoice {
    std::string accelerator = "cpu";   // cuda, rocm, cpu
    unsigned count = 0;                // that one model is spread over
    std::vector<std::string> ids{};    // UUIDs or indices; empty: every device there is
    std::vector<unsigned> indices{};   // the same as the vendor counts them; empty likewise
    std::optional<Bytes> memory{};     // of one of them
    bool unified = false;              // it is the machine's RAM
    std::string compute_capability{};  // of one of them
};

// gpu_wanted: false when the wish says so (gpu_layers 0). runtime: docker for the images of the
// engine's data, whose limits are known; process for what somebody built for this machine.
// Error unsupported: this machine's devices are none this engine can use, with the reason.
Result<DeviceChoice> choose_devices(
    const EngineSpec& engine, const hardware::HardwareSnapshot& hardware, bool gpu_wanted,
    runtime::RuntimeKind runtime
);

// Free memory of the fullest of these devices; empty when one of them does not say, or none is
// among the stats.
std::optional<Bytes>
least_free(const DeviceChoice& devices, const std::vector<hardware::GpuStats>& stats);

// The share of each device's memory the engine may fill, "0.87": what is free now less a reserve,
// at most what the engine's data says; less where the memory is the machine's RAM.
std::string
memory_fraction(const EngineSpec& engine, const DeviceChoice& devices, std::optional<Bytes> free);

// True when version a is less than b: "7.5" < "8.0", "8.9" < "12.1". Unknown is never less.
bool older(const std::string& a, const std::string& b);

}  // namespace nova::engine

// From a wish to a command line: pure, and all the code an engine needs.
#pragma once

#include <optional>
#include <string>

#include "core/result.hpp"
#include "core/units.hpp"
#include "engine/backend_spec.hpp"
#include "engine/engine_spec.hpp"
#include "hardware/gpu_stats.hpp"
#include "hardware/hardware_snapshot.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::engine {

// What the weights port found for the wish.
struct ResolvedModel {
    ModelId id;        // public: what clients name, and the engine is told to serve it as
    std::string path;  // file or folder; empty where the engine keeps its own store
    Bytes size;
    std::uint64_t context_length = 0;  // trained; 0 unknown
};

struct LaunchPlace {
    runtime::InstanceIdentity identity;
    runtime::RuntimeKind runtime = runtime::RuntimeKind::process;
    std::string name;  // of the instance
    std::string log_path;
    std::string models_folder;  // DIR/models: where engines nova starts keep weights
    std::string api_key;        // random, or empty when the engine has no such option
    std::string image{};        // docker: instead of the engine's own; empty: that
    std::string hub_token{};    // for an engine that fetches a gated model itself; empty: none
    std::vector<hardware::GpuStats> gpus{};  // just measured; empty: nobody knows
};

// Errors: unprocessable (unknown option, flag not allowed, value out of bounds: all named),
// unsupported (engine cannot run this way here, or not on these devices).
Result<runtime::InstanceSpec> plan_launch(
    const EngineSpec& engine, const BackendSpec& backend, const ResolvedModel& model,
    const hardware::HardwareSnapshot& hardware, const LaunchPlace& place
);

// A switch as a person writes it: on, true, 1, or off, false, 0; empty for any other word.
std::optional<bool> is_on(std::string_view text);

// Whether the engine is given a GPU for this wish; a wish for gpu_layers 0 is one for none.
bool uses_gpu(
    const EngineSpec& engine, const BackendSpec& backend,
    const hardware::HardwareSnapshot& hardware, runtime::RuntimeKind runtime
);

}  // namespace nova::engine

// Whether two engines fit beside each other: the itemised estimate of the wanted one against the
// memory that is free at this moment.
#pragma once

#include <functional>
#include <optional>

#include "app/machine.hpp"
#include "catalog/memory_estimate.hpp"
#include "engine/engine_registry.hpp"
#include "lifecycle/memory_port.hpp"

namespace nova::app {

struct FreeMemory {
    std::optional<Bytes> ram;  // MemAvailable, or what the control group leaves if that is less
    std::optional<Bytes> gpu;  // of all GPUs together; empty without one
    bool gpus = false;         // there are some, whether they say how much is free or not
};

// Reads the kernel's files and asks the GPUs. machine must outlive the task.
Task<FreeMemory> read_memory(Machine& machine);

// Pure: the upper ends of the estimate against what is free.
lifecycle::MemoryAnswer
fits_beside(const catalog::MemoryEstimate& estimate, const FreeMemory& free);

// How the engine will serve the model by the wish's options over the engine's defaults.
catalog::ServingShape serving_shape(
    const engine::EngineSpec& engine, const engine::BackendSpec& spec,
    const engine::ResolvedModel& model, catalog::Placement placement
);

class MeasuredMemory final : public lifecycle::MemoryPort {
public:
    using Reader = std::function<Task<FreeMemory>()>;

    // registry must outlive it.
    MeasuredMemory(const engine::EngineRegistry& registry, Reader reader)
        : registry_{registry}, reader_{std::move(reader)} {}

    Task<lifecycle::MemoryAnswer>
    admits(engine::BackendSpec spec, engine::ResolvedModel model) override;
    Task<std::optional<Bytes>> gpu_free() override;

private:
    const engine::EngineRegistry& registry_;
    Reader reader_;
};

}  // namespace nova::app

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
    std::optional<Bytes> ram{};  // MemAvailable, or what the control group leaves if that is less
    std::optional<Bytes> gpu{};  // of all GPUs that say it; empty when none does
};

enum class Pool : std::uint8_t { ram, gpu };

// Reads the kernel's files and asks the GPUs. machine must outlive the task.
Task<FreeMemory> read_memory(Machine& machine);
// The kernel's files alone.
FreeMemory read_ram();

// Pure: the upper ends of the estimate against what is free in that pool.
lifecycle::MemoryAnswer
fits_beside(const catalog::MemoryEstimate& estimate, const FreeMemory& free, Pool pool);

// How the engine will serve the model by the wish's options over the engine's defaults.
catalog::ServingShape serving_shape(
    const engine::EngineSpec& engine, const engine::BackendSpec& spec,
    const engine::ResolvedModel& model, catalog::Placement placement
);

class MeasuredMemory final : public lifecycle::MemoryPort {
public:
    using Reader = std::function<Task<FreeMemory>()>;
    using Hardware = std::function<hardware::HardwareSnapshot()>;

    // registry must outlive it. hardware: the devices an engine may be given.
    MeasuredMemory(const engine::EngineRegistry& registry, Reader reader, Hardware hardware)
        : registry_{registry}, reader_{std::move(reader)}, hardware_{std::move(hardware)} {}

    Task<lifecycle::MemoryAnswer>
    admits(engine::BackendSpec spec, engine::ResolvedModel model) override;
    Task<std::optional<Bytes>> gpu_free() override;

private:
    const engine::EngineRegistry& registry_;
    Reader reader_;
    Hardware hardware_;
};

// Of a slot whose engines run on the CPU. registry must outlive it.
MeasuredMemory memory_without_gpus(const engine::EngineRegistry& registry);

}  // namespace nova::app

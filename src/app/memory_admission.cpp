// Figures are compared at their upper ends: a switch that ends in the kernel's OOM killer would
// take the engine that serves along.
#include "app/memory_admission.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "app/terminal.hpp"
#include "catalog/gguf.hpp"
#include "hardware/host_facts.hpp"

namespace nova::app {
namespace {

constexpr Bytes kReserve = mib(256);  // stays free for everybody else on the machine

lifecycle::MemoryAnswer no(std::string why) {
    return {.admits = false, .why = std::move(why)};
}

std::uint64_t option_of(
    const engine::EngineSpec& engine, const engine::BackendSpec& spec, const std::string& name,
    std::uint64_t otherwise
) {
    const auto given = spec.options.find(name);
    const auto usual = engine.option_defaults.find(name);
    const std::string text = given != spec.options.end()             ? given->second
                             : usual != engine.option_defaults.end() ? usual->second
                                                                     : "";
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() && value > 0 ? value : otherwise;
}

bool on_gpu(const FreeMemory& free, const engine::BackendSpec& spec) {
    const auto layers = spec.options.find("gpu_layers");
    return free.gpus && (layers == spec.options.end() || layers->second != "0");
}

}  // namespace

Task<FreeMemory> read_memory(Machine& machine) {
    FreeMemory free{
        .ram = hardware::read_host_facts({}).ram_available,
        .gpu = {},
        .gpus = !machine.snapshot().gpus.empty()
    };
    for (const hardware::GpuStats& gpu : co_await machine.gpu_stats()) {
        if (gpu.vram_total && gpu.vram_used) {
            const std::uint64_t used = std::min(gpu.vram_used->count, gpu.vram_total->count);
            free.gpu = Bytes{free.gpu.value_or(Bytes{}).count + gpu.vram_total->count - used};
        }
    }
    co_return free;
}

catalog::ServingShape serving_shape(
    const engine::EngineSpec& engine, const engine::BackendSpec& spec,
    const engine::ResolvedModel& model, catalog::Placement placement
) {
    catalog::ServingShape shape;
    shape.context = option_of(engine, spec, "context", shape.context);
    if (model.context_length > 0 && !spec.options.contains("context")) {
        shape.context = std::min(shape.context, model.context_length);
    }
    shape.sequences = option_of(engine, spec, "parallel", shape.sequences);
    // Embeddings are on unless switched off, and take a batch of 1024 (data/engines).
    shape.micro_batch = option_of(engine, spec, "flag.ubatch-size", 1024);
    const bool pool = std::ranges::find(engine.argv, "--kv-unified") != engine.argv.end();
    shape.sharing = pool ? catalog::CacheSharing::one_pool : catalog::CacheSharing::per_sequence;
    shape.placement = placement;
    return shape;
}

lifecycle::MemoryAnswer
fits_beside(const catalog::MemoryEstimate& estimate, const FreeMemory& free) {
    const std::optional<Bytes> room = free.gpus ? free.gpu : free.ram;
    const std::string_view where = free.gpus ? "on the GPU" : "in RAM";
    if (!room) {
        return no(fmt::format("how much memory is free {} cannot be read", where));
    }
    const std::uint64_t reserve = free.gpus ? 0 : kReserve.count;
    const bool admits = estimate.high.count <= room->count - std::min(reserve, room->count);
    return {
        .admits = admits,
        .why = fmt::format(
            "the new one needs up to {}, and {}{} are free {}", human_bytes(estimate.high.count),
            admits ? "" : "only ", human_bytes(room->count), where
        )
    };
}

Task<lifecycle::MemoryAnswer>
MeasuredMemory::admits(engine::BackendSpec spec, engine::ResolvedModel model) {
    if (spec.engine.value == "custom") {
        co_return lifecycle::MemoryAnswer{
            .admits = true, .why = "the new one runs elsewhere and needs no memory of nova's"
        };
    }
    const engine::EngineSpec* engine = registry_.find(spec.engine.value);
    if (engine == nullptr) {
        co_return no("the engine is not known");
    }
    if (!model.path.ends_with(".gguf")) {
        co_return no("how much memory the new one takes cannot be told without its model file");
    }
    const auto facts = catalog::read_gguf_model(model.path);
    if (!facts) {
        co_return no("the model file cannot be read");
    }
    FreeMemory free = co_await reader_();
    free.gpus = on_gpu(free, spec);
    const auto placement = free.gpus ? catalog::Placement::gpu : catalog::Placement::cpu;
    co_return fits_beside(
        catalog::estimate_memory(*facts, serving_shape(*engine, spec, model, placement)), free
    );
}

Task<std::optional<Bytes>> MeasuredMemory::gpu_free() {
    const FreeMemory free = co_await reader_();
    co_return free.gpu;
}

}  // namespace nova::app

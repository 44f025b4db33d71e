// Figures are compared at their upper ends: a switch that ends in the kernel's OOM killer would
// take the engine that serves along.
#include "app/memory_admission.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "app/terminal.hpp"
#include "catalog/gguf.hpp"
#include "engine/launch.hpp"
#include "hardware/host_facts.hpp"

namespace nova::app {
namespace {

constexpr Bytes kReserve = mib(256);  // stays free for everybody else on the machine

lifecycle::MemoryAnswer no(std::string why) {
    return {.admits = false, .why = std::move(why)};
}

std::string word_of(
    const engine::EngineSpec& engine, const engine::BackendSpec& spec, const std::string& name
) {
    const auto given = spec.options.find(name);
    const auto usual = engine.option_defaults.find(name);
    return given != spec.options.end()             ? given->second
           : usual != engine.option_defaults.end() ? usual->second
                                                   : "";
}

std::uint64_t option_of(
    const engine::EngineSpec& engine, const engine::BackendSpec& spec, const std::string& name,
    std::uint64_t otherwise
) {
    const std::string text = word_of(engine, spec, name);
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() && value > 0 ? value : otherwise;
}

// llama-server's words; one that is not known counts as the largest.
catalog::CacheType cache_type(std::string_view word) {
    using catalog::CacheType;
    constexpr std::array<std::pair<std::string_view, CacheType>, 9> kTypes{{
        {"", CacheType::f16},
        {"f16", CacheType::f16},
        {"bf16", CacheType::f16},
        {"q8_0", CacheType::q8_0},
        {"q5_1", CacheType::q5_1},
        {"q5_0", CacheType::q5_0},
        {"q4_1", CacheType::q4_1},
        {"q4_0", CacheType::q4_0},
        {"iq4_nl", CacheType::q4_0},
    }};
    const auto row = std::ranges::find(kTypes, word, &decltype(kTypes)::value_type::first);
    return row == kTypes.end() ? CacheType::f32 : row->second;
}

}  // namespace

FreeMemory read_ram() {
    return {.ram = hardware::read_host_facts({}).ram_available};
}

Task<FreeMemory> read_memory(Machine& machine) {
    FreeMemory free = read_ram();
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
    shape.key_cache = cache_type(word_of(engine, spec, "flag.cache-type-k"));
    shape.value_cache = cache_type(word_of(engine, spec, "flag.cache-type-v"));
    const std::string whole = word_of(engine, spec, "flag.swa-full");
    if (engine::is_on(whole).value_or(!whole.empty())) {
        shape.window_cache = catalog::WindowCache::whole;
    }
    shape.placement = placement;
    return shape;
}

lifecycle::MemoryAnswer
fits_beside(const catalog::MemoryEstimate& estimate, const FreeMemory& free, Pool pool) {
    const bool gpu = pool == Pool::gpu;
    const std::optional<Bytes> room = gpu ? free.gpu : free.ram;
    const std::string_view where = gpu ? "on the GPU" : "in RAM";
    if (!room) {
        return no(fmt::format("how much memory is free {} cannot be read", where));
    }
    const std::uint64_t reserve = gpu ? 0 : kReserve.count;
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
    const FreeMemory free = co_await reader_();
    const auto answer_for = [&](Pool pool, catalog::Placement placement) {
        const auto shape = serving_shape(*engine, spec, model, placement);
        return fits_beside(catalog::estimate_memory(*facts, shape), free, pool);
    };
    const auto kind =
        spec.runtime == "docker" ? runtime::RuntimeKind::docker : runtime::RuntimeKind::process;
    if (!engine::uses_gpu(*engine, spec, hardware_(), kind)) {
        co_return answer_for(Pool::ram, catalog::Placement::cpu);
    }
    auto on_gpu = answer_for(Pool::gpu, catalog::Placement::gpu);
    if (!on_gpu.admits || kind == runtime::RuntimeKind::docker) {
        co_return on_gpu;
    }
    auto on_cpu = answer_for(Pool::ram, catalog::Placement::cpu);
    on_cpu.why += ", where a program that was built without the GPU's library would run";
    co_return on_cpu.admits ? std::move(on_gpu) : std::move(on_cpu);
}

MeasuredMemory memory_without_gpus(const engine::EngineRegistry& registry) {
    return {
        registry, []() -> Task<FreeMemory> { co_return read_ram(); },
        [] { return hardware::HardwareSnapshot{}; }
    };
}

Task<std::optional<Bytes>> MeasuredMemory::gpu_free() {
    const FreeMemory free = co_await reader_();
    co_return free.gpu;
}

}  // namespace nova::app

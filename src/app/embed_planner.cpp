// The launch planner with the slot's own defaults, on a machine whose GPUs it does not see.
#include "app/embed_planner.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace nova::app {
namespace {

using engine::BackendSpec;

// Four inputs of a whole physical batch (llamacpp.json) fit at the same time; one more waits.
constexpr std::uint64_t kContext = 4096;
constexpr std::uint64_t kLeastContext = 256;
constexpr unsigned kMostThreads = 4;

Error out_of_place(std::string message, std::string remedy) {
    return Error{
        .code = ErrorCode::unprocessable,
        .message = std::move(message),
        .word = "invalid_option",
        .remedy = std::move(remedy)
    };
}

// A quarter of the cores: reading a prompt for embeddings takes all it is given, and a chat that
// streams on the CPU would stutter.
unsigned threads_for(const hardware::CpuFacts& cpu) {
    const unsigned cores = std::max(1U, cpu.usable_cores());
    return std::clamp(cores / 4, 1U, kMostThreads);
}

Result<void> check_place(const engine::EngineRegistry& registry, const BackendSpec& spec) {
    const engine::EngineSpec* engine = registry.find(spec.engine.value);
    if (engine == nullptr || spec.engine.value == "custom") {
        return {};  // an unknown one is refused with the list of those that exist
    }
    if (!engine->option_argv.contains("embeddings")) {
        return fail(out_of_place(
            fmt::format("{} does not run in the slot embed.", engine->title),
            "Use llamacpp with a GGUF of an embedding model, or custom with a URL."
        ));
    }
    for (const auto& [option, only] :
         {std::pair{"gpu_layers", "0"}, std::pair{"embeddings", "on"}}) {
        const auto given = spec.options.find(option);
        if (given != spec.options.end() && given->second != only) {
            return fail(out_of_place(
                fmt::format("Option {} is always {} in the slot embed.", option, only),
                "Leave it out, or run the model in the slot local."
            ));
        }
    }
    return {};
}

BackendSpec
with_defaults(BackendSpec spec, const engine::ResolvedModel& model, const hardware::CpuFacts& cpu) {
    if (spec.engine.value == "custom") {
        return spec;
    }
    // More than the model was trained for would only cost memory.
    const std::uint64_t trained = model.context_length == 0 ? kContext : model.context_length;
    const std::array<std::pair<const char*, std::string>, 5> defaults{{
        {"gpu_layers", "0"},
        {"embeddings", "on"},
        {"context", fmt::to_string(std::clamp(trained, kLeastContext, kContext))},
        {"parallel", "4"},
        {"threads", fmt::to_string(threads_for(cpu))},
    }};
    for (const auto& [option, value] : defaults) {
        spec.options.emplace(option, value);
    }
    return spec;
}

hardware::HardwareSnapshot without_gpus(hardware::HardwareSnapshot hardware) {
    hardware.gpus.clear();
    return hardware;
}

}  // namespace

lifecycle::Planner make_embed_planner(
    const engine::EngineRegistry& registry, std::function<hardware::HardwareSnapshot()> hardware,
    LaunchFolders folders, ImageChoice images
) {
    auto cpu_only = [hardware = std::move(hardware)] { return without_gpus(hardware()); };
    auto planner = make_planner(registry, cpu_only, std::move(folders), std::move(images));
    return [&registry, planner = std::move(planner), cpu_only = std::move(cpu_only)](
               const BackendSpec& spec, const engine::ResolvedModel& model,
               const runtime::InstanceIdentity& identity
           ) -> Result<lifecycle::Plan> {
        if (const auto placed = check_place(registry, spec); !placed) {
            return propagate(placed);
        }
        auto plan = planner(with_defaults(spec, model, cpu_only().cpu), model, identity);
        if (plan && plan->instance.runtime == runtime::RuntimeKind::process) {
            // Without layers on it a GPU build would still take memory of every GPU it sees.
            plan->instance.env.emplace("CUDA_VISIBLE_DEVICES", "-1");
            plan->instance.env.emplace("HIP_VISIBLE_DEVICES", "-1");
        }
        return plan;
    };
}

}  // namespace nova::app

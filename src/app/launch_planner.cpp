// Plans: which driver, which command line, which probe, which credentials.
#include "app/launch_planner.hpp"

#include <utility>

#include <fmt/format.h>

#include "core/random.hpp"
#include "engine/custom_url.hpp"
#include "lifecycle/slots.hpp"

namespace nova::app {
namespace {

using lifecycle::Plan;
using runtime::RuntimeKind;

Result<RuntimeKind> runtime_for(const engine::BackendSpec& spec) {
    if (spec.engine.value == "custom") {
        return RuntimeKind::external;
    }
    // What auto means is decided when the wish comes (RecoveryParts::choose_runtime), so that an
    // engine does not move because a daemon was away for a moment.
    if (spec.runtime == "auto" || spec.runtime == "process") {
        return RuntimeKind::process;
    }
    if (spec.runtime == "docker") {
        return RuntimeKind::docker;
    }
    return fail(
        ErrorCode::unprocessable, fmt::format("There is no runtime called {}.", spec.runtime),
        "The runtimes are auto, docker and process."
    );
}

// What stands at DIR/logs for one run; the previous run keeps its own.
std::string log_path(const LaunchFolders& folders, const runtime::InstanceIdentity& identity) {
    return fmt::format(
        "{}/{}-{}.log", folders.logs, identity.slot.value, identity.generation.value
    );
}

// The names of contract.md 3 are the local slot's; another slot carries its own.
std::string name_of(const engine::BackendSpec& spec, const SlotName& slot) {
    const std::string name = "nova-" + spec.engine.value;
    return slot.value == lifecycle::kLocalSlot ? name : fmt::format("{}-{}", name, slot.value);
}

// As llama.cpp has it: a server that could, and was told not to.
bool embeds(const engine::EngineSpec& engine, const engine::BackendSpec& spec) {
    const auto option = spec.options.find("embeddings");
    const bool refused = option != spec.options.end() && engine::is_on(option->second) == false;
    return engine.serves_embeddings && !refused;
}

Result<void> aim_probe_at_custom(lifecycle::ProbeTarget& probe, const engine::BackendSpec& spec) {
    const auto server = engine::custom_server_from(spec);
    if (!server) {
        return propagate(server);
    }
    probe.external = true;
    probe.endpoint = server->endpoint;
    probe.base_path = server->base_path;
    if (!spec.auth_header_value.empty()) {
        probe.auth_header_name = server->auth_header_name;
        probe.auth_header_value = spec.auth_header_value;
    }
    return {};
}

}  // namespace

lifecycle::Planner make_planner(
    const engine::EngineRegistry& registry, std::function<hardware::HardwareSnapshot()> hardware,
    LaunchFolders folders, ImageChoice images, LaunchFacts facts
) {
    return [&registry, hardware = std::move(hardware), folders = std::move(folders),
            images = std::move(images), facts = std::move(facts)](
               const engine::BackendSpec& spec, const engine::ResolvedModel& model,
               const runtime::InstanceIdentity& identity
           ) -> Result<Plan> {
        const auto known = registry.need(spec.engine);
        if (!known) {
            return propagate(known);
        }
        const engine::EngineSpec* engine = *known;
        const auto kind = runtime_for(spec);
        if (!kind) {
            return propagate(kind);
        }
        engine::LaunchPlace place{
            .identity = identity,
            .runtime = *kind,
            .name = name_of(spec, identity.slot),
            .log_path = log_path(folders, identity),
            .models_folder = folders.models,
            .api_key = engine->api_key_env.empty() ? std::string{} : random_hex(16),
            .image = images ? images(engine->name) : std::string{},
            .hub_token = facts.hub_token,
            .gpus = facts.gpus ? facts.gpus() : std::vector<hardware::GpuStats>{},
        };
        auto instance = engine::plan_launch(*engine, spec, model, hardware(), place);
        if (!instance) {
            return propagate(instance);
        }
        Plan plan;
        plan.instance = std::move(*instance);
        plan.probe.probe = engine->probe;
        plan.probe.protocol = engine->protocol;
        plan.models = engine->models;
        plan.embeds = embeds(*engine, spec);
        plan.api_base = engine->api_base;
        plan.start_limit = engine->start_limit;
        plan.stall_limit = engine->stall_limit;
        plan.api_key = place.api_key;
        plan.loading_progress = engine->loading_progress;
        if (!place.api_key.empty()) {
            plan.probe.auth_header_name = "Authorization";
            plan.probe.auth_header_value = Secret{"Bearer " + place.api_key};
        }
        if (*kind == RuntimeKind::external) {
            const auto aimed = aim_probe_at_custom(plan.probe, spec);
            if (!aimed) {
                return propagate(aimed);
            }
        }
        return plan;
    };
}

}  // namespace nova::app

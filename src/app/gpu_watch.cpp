// One look, one judgement, at most one new start for the same trouble in ten minutes.
#include "app/gpu_watch.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "engine/launch.hpp"

namespace nova::app {
namespace {

using hardware::GpuFinding;
using hardware::GpuTrouble;

// A second new start for the same trouble would only cut requests again.
constexpr std::chrono::minutes kOnce{10};
constexpr std::size_t kLogLines = 2000;

bool says_any(const std::string& log, const std::vector<std::string>& fragments) {
    return std::ranges::any_of(fragments, [&](const std::string& fragment) {
        return log.contains(fragment);
    });
}

}  // namespace

GpuWatch::Parts GpuWatch::parts_of(
    Machine& machine, lifecycle::BackendController& controller,
    const engine::EngineRegistry& registry, const lifecycle::ControllerPorts& ports,
    std::chrono::nanoseconds interval
) {
    return {
        .clock = ports.clock,
        .log = ports.log,
        .hardware = [&machine] { return machine.snapshot(); },
        .look = [&machine] { return machine.look_at_gpus(); },
        .found = [&machine](const GpuFinding& finding) { machine.note(finding); },
        .backend = controller,
        .restart = [&controller](
                       Generation generation, lifecycle::OperationError why
                   ) { controller.condemn(generation, std::move(why)); },
        .registry = registry,
        .store = ports.store,
        .feed = ports.feed,
        .interval = interval,
    };
}

// The log is read once for an instance: engines say it while they start, and never again.
Task<hardware::EngineUse> GpuWatch::use_of(lifecycle::BackendStatus status) {
    hardware::EngineUse use;
    if (status.phase != lifecycle::Phase::ready || !status.instance || !status.wanted) {
        co_return use;
    }
    const engine::EngineSpec* engine = parts_.registry.find(status.wanted->engine.value);
    if (engine == nullptr) {
        co_return use;
    }
    const runtime::RuntimeKind kind = status.instance->runtime;
    use.title = engine->title;
    use.container = kind == runtime::RuntimeKind::docker;
    use.planned_gpu = kind != runtime::RuntimeKind::external &&
                      engine::uses_gpu(*engine, *status.wanted, parts_.hardware(), kind);
    const Generation generation = status.instance->identity.generation;
    if (use.planned_gpu && looked_for_cpu_ != generation) {
        const auto log = co_await parts_.backend.log_tail(kLogLines);
        on_cpu_ = log && says_any(*log, engine->cpu_fallback);
        looked_for_cpu_ = generation;
    }
    use.on_cpu = use.planned_gpu && on_cpu_;
    co_return use;
}

bool GpuWatch::restart_was_tried(GpuTrouble trouble) const {
    return restart_ && restart_->trouble == trouble && parts_.clock.now() < restart_->at + kOnce;
}

Task<void> GpuWatch::look_once() {
    const hardware::HardwareSnapshot known = parts_.hardware();
    if (known.gpus.empty()) {
        co_return;
    }
    const hardware::GpuReport report = co_await parts_.look();
    // Asked after the tools: they take a moment, and an engine may have come or gone meanwhile.
    const lifecycle::BackendStatus status = parts_.backend.status();
    const hardware::EngineUse use = co_await use_of(status);
    GpuFinding finding = hardware::judge_gpus(known, report, use);
    if (finding.restart_helps && restart_was_tried(finding.trouble)) {
        if (status.instance && status.instance->identity.generation == restart_->gone) {
            co_return;  // still on its way out: nothing can be said of the new one yet
        }
        finding.restart_helps = false;
        finding.sentence += " Starting it anew did not bring it back.";
    }
    if (finding == finding_) {
        co_return;
    }
    finding_ = finding;
    parts_.found(finding);
    co_await publish();
    if (!finding.restart_helps || !status.instance) {
        co_return;
    }
    const Generation gone = status.instance->identity.generation;
    restart_ = Restart{.at = parts_.clock.now(), .gone = gone, .trouble = finding.trouble};
    parts_.restart(
        gone, {.code = fmt::format("gpu_{}", word(finding.trouble)),
               .detail = finding.sentence,
               .remedy = finding.remedy,
               .log_excerpt = {}}
    );
}

Task<void> GpuWatch::publish() {
    parts_.log.warn(
        "gpu.changed",
        {{"trouble", std::string{word(finding_.trouble)}}, {"detail", finding_.sentence}}
    );
    const auto told = co_await lifecycle::commit_and_tell(
        parts_.store, parts_.feed,
        {.type = "gpu",
         .json = json_text(hardware::to_json(finding_)),
         .at = parts_.clock.wall_now()}
    );
    if (!told) {
        parts_.log.warn("gpu.not_stored", {{"detail", told.error().message}});
    }
}

Task<void> GpuWatch::run() {
    for (;;) {
        co_await parts_.clock.sleep_for(parts_.interval);
        co_await look_once();
    }
}

}  // namespace nova::app

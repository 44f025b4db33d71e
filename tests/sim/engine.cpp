// What engines answer, and how weights arrive.
#include <algorithm>
#include <utility>

#include "life.hpp"

namespace nova::sim {

using lifecycle::ProbeResult;
using std::chrono::milliseconds;
using std::chrono::seconds;

Task<ProbeResult::Verdict> SimEngine::judge(Engine& engine, Deadline deadline) {
    World& world = life_.world;
    if (engine.hangs || world.troubled(Act::health_hangs) || world.works(engine)) {
        co_await world.clock.sleep_until(deadline.at);
        co_return ProbeResult::Verdict::failed;
    }
    if (world.troubled(Act::health_flaps) || !engine.alive) {
        co_return ProbeResult::Verdict::failed;
    }
    co_return world.clock.now() < engine.ready_at ? ProbeResult::Verdict::loading
                                                  : ProbeResult::Verdict::ready;
}

Task<ProbeResult> SimEngine::probe(lifecycle::ProbeTarget target, Deadline deadline) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "engine.probe");
    ProbeResult result;
    result.verdict = ProbeResult::Verdict::refused;
    const auto engine = world.at_address(target.endpoint);
    if (mishap == Mishap::hangs) {
        co_await world.clock.sleep_until(deadline.at);
    }
    if (mishap == Mishap::fails || mishap == Mishap::hangs) {
        result.verdict = ProbeResult::Verdict::failed;
    } else if (engine) {
        result.verdict = co_await judge(*engine, deadline);
        // An adopted engine keeps the key it was started with.
        if (target.auth_header_value.reveal() != "Bearer " + engine->key) {
            result.verdict = ProbeResult::Verdict::failed;
        }
    } else if (std::ranges::count(world.strangers, target.endpoint) > 0) {
        result.verdict = ProbeResult::Verdict::ready;
    }
    co_await world.cross(life_, "engine.probed");
    if (engine) {
        world.looked_at(
            *engine, result.verdict == ProbeResult::Verdict::ready ||
                         result.verdict == ProbeResult::Verdict::loading
        );
    }
    co_return result;
}

Task<std::optional<std::uint64_t>>
SimEngine::counters(lifecycle::ProbeTarget target, Deadline deadline) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "engine.counters");
    const auto engine = world.at_address(target.endpoint);
    if (mishap == Mishap::hangs || (engine && engine->hangs)) {
        co_await world.clock.sleep_until(deadline.at);
        co_return std::nullopt;
    }
    if (mishap != Mishap::none || !engine) {
        co_return std::nullopt;
    }
    co_return static_cast<std::uint64_t>(world.work_of(*engine) / milliseconds{10});
}

Task<bool> SimEngine::canary(
    lifecycle::ProbeTarget target, std::string /*api_base*/, std::string model, Deadline deadline
) {
    World& world = life_.world;
    if (life_.state().parked || model.starts_with("m")) {
        world.violated("a canary wakes and loads nothing");
    }
    co_await world.cross(life_, "engine.canary");
    const auto engine = world.at_address(target.endpoint);
    const bool answers = engine && !engine->hangs;
    if (engine && engine->hangs) {
        co_await world.clock.sleep_until(deadline.at);
    }
    if (engine && !answers && !engine->looks.empty()) {
        engine->looks.pop_back();
        world.looked_at(*engine, false);
    }
    co_return answers;
}

Task<Result<lifecycle::ServedModels>>
SimEngine::models(lifecycle::ProbeTarget target, Deadline deadline) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "engine.models");
    const auto engine = world.at_address(target.endpoint);
    if (mishap == Mishap::hangs || (engine && engine->hangs)) {
        co_await world.clock.sleep_until(deadline.at);
        co_return fail(ErrorCode::timeout, "The list of models did not come.");
    }
    if (mishap == Mishap::fails || !engine) {
        co_return fail(ErrorCode::upstream_failed, "There is nobody.");
    }
    lifecycle::ServedModels served{.ids = engine->loaded, .known = true};
    if (served.ids.empty()) {
        served.ids.push_back(engine->model);
    }
    co_return served;
}

Task<Result<void>> SimEngine::load(
    lifecycle::ProbeTarget target, engine::ResolvedModel model, runtime::ProgressSink progress
) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "engine.load");
    const auto engine = world.at_address(target.endpoint);
    if (!engine) {
        co_return fail(ErrorCode::upstream_failed, "There is nobody.");
    }
    if (mishap == Mishap::hangs || engine->hangs || world.troubled(Act::load_hangs)) {
        co_await world.clock.sleep_for(seconds{2000});
    }
    if (mishap == Mishap::fails || world.troubled(Act::load_fails)) {
        co_return fail(ErrorCode::upstream_failed, "The model was not loaded.");
    }
    if (model.id.value == "unloadable") {
        co_return fail(ErrorCode::unprocessable, "The engine refuses this model.");
    }
    if (model.id.value.starts_with("m")) {
        const std::uint64_t steps = world.rng.below(4);
        for (std::uint64_t step = 1; step <= steps && engine->alive; ++step) {
            progress({.step = "load", .detail = {}, .done = {step}, .total = Bytes{steps}});
            co_await world.clock.sleep_for(world.some(10, 20'000));
        }
    }
    co_await world.cross(life_, "engine.loaded");
    if (!engine->alive) {
        co_return fail(ErrorCode::upstream_failed, "It ended while it loaded.");
    }
    if (std::ranges::count(engine->loaded, model.id.value) == 0) {
        engine->loaded.push_back(model.id.value);
    }
    co_return Result<void>{};
}

Task<Result<void>> SimEngine::unload(lifecycle::ProbeTarget target, std::string model, Deadline) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "engine.unload");
    const auto engine = world.at_address(target.endpoint);
    if (mishap == Mishap::fails || !engine) {
        co_return fail(ErrorCode::upstream_failed, "The model was not unloaded.");
    }
    std::erase(engine->loaded, model);
    co_return Result<void>{};
}

Task<Result<engine::ResolvedModel>>
SimWeights::ensure(engine::BackendSpec spec, runtime::ProgressSink progress) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "weights.ensure");
    if (mishap == Mishap::hangs || world.troubled(Act::pull_stalls)) {
        co_await world.clock.sleep_for(seconds{60});  // its own patience
        co_return fail(ErrorCode::timeout, "The download stalled.");
    }
    if (mishap == Mishap::fails || world.troubled(Act::pull_fails)) {
        co_return fail(ErrorCode::upstream_failed, "The download failed.");
    }
    if (spec.model.value == "missing") {
        co_return fail(ErrorCode::not_found, "There is no such model.", "Choose another.");
    }
    const std::uint64_t steps = world.rng.below(4);
    for (std::uint64_t step = 1; step <= steps; ++step) {
        progress({.step = "weights", .detail = {}, .done = {step}, .total = Bytes{steps}});
        co_await world.clock.sleep_for(world.some(1, 5000));
    }
    co_await world.cross(life_, "weights.ensured");
    co_return engine::ResolvedModel{.id = spec.model, .path = "/m", .size = {2}};
}

Task<lifecycle::MemoryAnswer>
SimMemory::admits(engine::BackendSpec /*spec*/, engine::ResolvedModel /*model*/) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "memory.admits");
    if (mishap == Mishap::hangs) {
        co_await world.clock.sleep_for(seconds{60});
    }
    admitted_last = mishap == Mishap::none && world.rng.below(2) == 0;
    co_return lifecycle::MemoryAnswer{
        .admits = admitted_last, .why = admitted_last ? "there is room" : "there is no room"
    };
}

}  // namespace nova::sim

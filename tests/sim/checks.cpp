// What is asked of every situation. `candidate`: a second instance exists only while the
// controller's state says so.
#include "checks.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/backoff.hpp"
#include "life.hpp"

namespace nova::sim {

using lifecycle::BackendState;
using lifecycle::Phase;
using lifecycle::Running;
using lifecycle::Traffic;
using lifecycle::Work;

namespace {

UpstreamId upstream_of(Generation instance) {
    return {fmt::format("local/{}", instance.value)};
}

const Running* instance_of(const BackendState& state, Generation generation) {
    for (const auto* instance : {&state.running, &state.candidate, &state.retiring}) {
        if (*instance && (*instance)->generation == generation) {
            return &**instance;
        }
    }
    return nullptr;
}

void check_traffic(World& world, const Life& life) {
    const BackendState& state = life.state();
    std::set<UpstreamId> open;
    bool everywhere = true;
    for (const SimWorker& worker : life.traffic.workers) {
        if (worker.table->local) {
            open.insert(worker.table->local->id);
        } else {
            everywhere = false;
        }
    }
    if (life.traffic.publishing() || state.traffic == Traffic::unsure || life.leaving()) {
        return;  // under way
    }
    if (state.traffic == Traffic::closed && !open.empty()) {
        world.violated("traffic that is closed is closed in every worker");
    }
    if (!open.empty() && state.phase != Phase::ready && state.phase != Phase::draining) {
        world.violated(fmt::format("traffic is open in ready only, not in {}", name(state.phase)));
    }
    if (state.phase == Phase::ready && state.busy == Work::none && state.running &&
        (!everywhere || open != std::set{upstream_of(state.running->generation)})) {
        world.violated("ready means that every worker sends requests to what runs");
    }
}

void check_engines(World& world, const Life& life) {
    const BackendState& state = life.state();
    if (state.listed && !state.strays && !state.running && !state.candidate && !state.retiring &&
        state.busy == Work::none && world.alive() > 0) {
        world.violated("what runs is known");
    }
    const bool rests = state.phase == Phase::stopped || state.phase == Phase::failed ||
                       state.phase == Phase::backing_off;
    if (rests && state.busy == Work::none && world.alive() > 0) {
        world.violated(fmt::format("{} holds no engine", name(state.phase)));
    }
}

// The machine's reasons to take an engine away, seen from what the engine did.
void judge_reason(World& world, const Life& life, const Engine& engine, const Running& running) {
    if (!running.broken || !engine.alive) {
        return;
    }
    const std::string& code = running.broken->error.code;
    const std::size_t strikes = life.world.schedule.policy.strikes;
    if (code == "unresponsive") {
        const auto& verdicts = engine.verdicts;
        const bool struck =
            verdicts.size() >= strikes && std::none_of(
                                              verdicts.end() - static_cast<std::ptrdiff_t>(strikes),
                                              verdicts.end(), [](bool answered) { return answered; }
                                          );
        if (!struck) {
            world.violated("only strikes in a row take an engine away");
        }
    }
    const bool seen = std::ranges::none_of(world.schedule.entries, [](const Entry& entry) {
        return entry.act == Act::daemon_away || entry.act == Act::health_hangs ||
               entry.act == Act::freeze || entry.act == Act::engine_hangs;
    });
    if (code == "start_timeout" && seen && !world.planned && engine.model == "slow" &&
        engine.progress_until + std::chrono::seconds{60} > world.clock.now()) {
        world.violated("an engine whose loading goes on keeps its time");
    }
}

}  // namespace

void check(World& world) {
    if (!world.life || world.life->dead || world.life->ended) {
        return;
    }
    const Life& life = *world.life;
    if (!life.traffic.leases_balance()) {
        world.violated("leases balance");
    }
    check_traffic(world, life);
    check_engines(world, life);
}

void judge_step(Life& life, const BackendState& before, const lifecycle::Step& step) {
    World& world = life.world;
    const BackendState& state = step.state;
    for (const lifecycle::Effect& effect : step.effects) {
        if (const auto* start = std::get_if<lifecycle::Start>(&effect)) {
            const auto pause = backoff_delay(2).count() * world.schedule.policy.backoff_unit;
            if (life.started_for == start->target.generation && !life.opened_since &&
                world.clock.now() - life.started_at < pause) {
                world.violated("what was never ready is tried again after a pause");
            }
            life.started_for = start->target.generation;
            life.started_at = world.clock.now();
            life.opened_since = false;
        } else if (const auto* open = std::get_if<lifecycle::PublishOpen>(&effect)) {
            const Running* instance = instance_of(state, open->generation);
            if (instance == nullptr || !instance->ready || instance->broken ||
                instance->loaded != open->target.spec) {
                world.violated("traffic opens to what is ready and loaded only");
            }
        } else if (const auto* stop = std::get_if<lifecycle::Stop>(&effect)) {
            const bool serving = before.running && before.running->generation == stop->generation;
            if (serving && state.traffic != Traffic::closed) {
                world.violated("nothing is stopped before traffic is closed");
            }
            // A stop that failed goes on though the wish came back to it: the engine was told to
            // end.
            if (serving && before.running->stop_failures == 0 && !state.running->broken &&
                !state.leaving && !state.given_up && !state.retry_at && state.desired &&
                state.desired->host == state.running->target.host) {
                world.violated("what is wanted and well is not stopped");
            }
        }
    }
}

void judge_spawn(World& world, Life& life, Generation instance) {
    const std::size_t allowed = life.state().candidate && life.memory.admitted_last ? 1 : 0;
    if (world.alive() > allowed) {
        world.violated("never two engines at once");
    }
    if (!life.store_failed && !world.ledger.intends(instance)) {
        world.violated("the intent is on record before the engine exists");
    }
}

void judge_admission(Life& life, const UpstreamId& upstream) {
    const BackendState& state = life.state();
    const auto serves = [&](const std::optional<Running>& instance) {
        return instance && upstream_of(instance->generation) == upstream;
    };
    if (state.traffic == Traffic::closed) {
        life.world.violated("no request is admitted after draining was announced");
    }
    if (!serves(state.running) && !serves(state.retiring)) {
        life.world.violated("requests go to what runs only");
    }
    const bool moved = state.traffic == Traffic::open && !life.traffic.publishing() &&
                       state.busy != Work::publish_open;
    if (moved && serves(state.retiring)) {
        life.world.violated("no request is admitted to the old side after the move");
    }
}

void judge_stop(Life& life, const Engine& engine) {
    World& world = life.world;
    const Generation generation = engine.handle.identity.generation;
    if (engine.alive && life.traffic.streams_on(upstream_of(generation)) > 0) {
        world.violated("nothing is stopped before it is drained or cut");
    }
    const Running* running = instance_of(life.state(), generation);
    if (running != nullptr) {
        judge_reason(world, life, engine, *running);
    }
}

bool converged(const World& world) {
    if (!world.life || world.life->dead || world.life->leaving()) {
        return false;
    }
    const Life& life = *world.life;
    const BackendState& state = life.state();
    if (!world.ledger.settled() || state.wish || state.busy != Work::none || state.preparing ||
        state.candidate || state.retiring || !state.listed) {
        return false;
    }
    if (!state.desired) {
        return state.phase == Phase::stopped && world.alive() == 0;
    }
    const auto wanted = life.controller.status().wanted;
    if (wanted && !good_model(wanted->model.value)) {
        const bool rests = state.phase == Phase::failed || state.phase == Phase::backing_off;
        return rests && world.alive() == 0;
    }
    return state.phase == Phase::ready && state.running &&
           state.running->loaded == state.desired->spec && state.published == state.desired->spec &&
           world.alive() == 1 && std::ranges::none_of(world.engines, [](const auto& engine) {
               return engine->alive && engine->hangs;
           });
}

std::string where_it_is(const World& world) {
    if (!world.life || world.life->dead) {
        return "nova does not run";
    }
    const auto status = world.life->controller.status();
    const BackendState& state = world.life->state();
    return fmt::format(
        "wanted {}, phase {}, {} alive, wish {}, work {}{}",
        status.wanted ? status.wanted->model.value : "nothing", name(status.phase), world.alive(),
        state.wish.has_value(), static_cast<int>(state.busy),
        status.error ? ", " + status.error->detail : ""
    );
}

}  // namespace nova::sim

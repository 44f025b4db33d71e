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

UpstreamId upstream_of(Generation instance) {
    return {fmt::format("local/{}", instance.value)};
}

namespace {

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
                       state.phase == Phase::backing_off || state.phase == Phase::parked;
    if (rests && state.busy == Work::none && world.alive() > 0) {
        world.violated(fmt::format("{} holds no engine", name(state.phase)));
    }
}

// Looks at another than what serves say nothing about it later.
void check_doubt(World& world, const Life& life) {
    const BackendState& state = life.state();
    for (const auto& engine : world.engines) {
        const Generation generation = engine->handle.identity.generation;
        if (!state.running || state.running->generation != generation) {
            world.forget_looks(*engine);
        } else if (state.phase == Phase::ready && !state.running->broken &&
                   engine->overdue > world.schedule.policy.strikes + 1) {
            world.violated("the benefit of the doubt ends");
        }
    }
}

void check_idleness(World& world, Life& life) {
    const BackendState& state = life.state();
    const lifecycle::LifecyclePolicy& policy = world.schedule.policy;
    const bool calm = policy.idle_unload.count() > 0 && !world.froze &&
                      world.schedule.evidence != Evidence::bytes && !life.leaving() &&
                      state.phase == Phase::ready && state.busy == Work::none && !state.wish &&
                      !state.preparing && !state.candidate && !state.retiring;
    if (!calm || life.traffic.streams() > 0) {
        life.idle_since = world.clock.now();
        return;
    }
    const TimePoint since = std::max(life.idle_since, life.traffic.used_at);
    const auto patience = policy.idle_unload + 3 * policy.idle_look + std::chrono::seconds{20};
    if (world.clock.now() > since + patience) {
        world.violated("what nobody uses is put away");
    }
}

// Shown by what it did between two looks: more than can slip between the harness's look and nova's.
bool clearly_worked(const Look& before, const Look& after) {
    return after.work - before.work >= std::chrono::seconds{5};
}

// The last looks were bad, and none of them is excused by work.
bool struck(const World& world, const Engine& engine) {
    const lifecycle::LifecyclePolicy& policy = world.schedule.policy;
    const auto& looks = engine.looks;
    if (looks.size() < policy.strikes) {
        return false;
    }
    const bool telling = world.schedule.evidence != Evidence::log ||
                         std::ranges::none_of(world.schedule.entries, [](const Entry& entry) {
                             return entry.act == Act::daemon_away;
                         });
    for (std::size_t i = looks.size() - policy.strikes; i < looks.size(); ++i) {
        const bool doubted = engine.bad_since && looks[i].at + std::chrono::seconds{5} <
                                                     *engine.bad_since + policy.busy_doubt;
        // One that was stopped tells no counters, not even of what it did before. They are asked
        // for after the look, and it may stop in between.
        const bool mute = world.schedule.evidence == Evidence::counters &&
                          engine.hung_at <= looks[i].at + std::chrono::seconds{5};
        const bool excused = telling && !mute && doubted && !world.froze && !world.planned &&
                             i > 0 && clearly_worked(looks[i - 1], looks[i]);
        if (looks[i].answered || excused) {
            return false;
        }
    }
    return true;
}

// The machine's reasons to take an engine away, seen from what the engine did.
void judge_reason(World& world, const Life& life, const Engine& engine, const Running& running) {
    if (!running.broken || !engine.alive) {
        return;
    }
    const std::string& code = running.broken->error.code;
    if (code == "unresponsive" && life.state().running && !struck(world, engine)) {
        world.violated("only strikes in a row without work take an engine away");
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
    Life& life = *world.life;
    if (!life.traffic.leases_balance()) {
        world.violated("leases balance");
    }
    check_traffic(world, life);
    check_engines(world, life);
    check_doubt(world, life);
    check_idleness(world, life);
}

void judge_idleness(
    Life& life, const BackendState& before, const lifecycle::Event& event, const BackendState& after
) {
    if (!before.parked && after.parked) {
        const bool used =
            before.running && life.traffic.streams_on(upstream_of(before.running->generation)) > 0;
        if (after.traffic != Traffic::closed || used) {
            life.world.violated("put away is only what nobody is inside of, with traffic closed");
        }
    }
    if (std::holds_alternative<lifecycle::Woken>(event) && before.parked && after.parked &&
        !before.leaving) {
        life.world.violated("a request wakes what is parked");
    }
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
                !state.leaving && !state.parked && !state.given_up && !state.retry_at &&
                state.desired && state.desired->host == state.running->target.host) {
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

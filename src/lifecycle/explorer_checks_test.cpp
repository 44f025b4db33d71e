// The invariants: what holds at every effect and in every state.
#include <algorithm>

#include "lifecycle/explorer.hpp"

namespace nova::lifecycle {
namespace {

bool one_lane(const Effect& effect) {
    return std::holds_alternative<ListOwned>(effect) ||
           std::holds_alternative<SweepStrays>(effect) || std::holds_alternative<Admit>(effect) ||
           std::holds_alternative<Start>(effect) || std::holds_alternative<Load>(effect) ||
           std::holds_alternative<PublishOpen>(effect) ||
           std::holds_alternative<PublishClosed>(effect) || std::holds_alternative<Drain>(effect) ||
           std::holds_alternative<Cut>(effect) || std::holds_alternative<Stop>(effect);
}

}  // namespace

void Explorer::register_start(Node& node, const Start& start) {
    const World& world = node.world;
    const bool beside = node.state.candidate &&
                        node.state.candidate->generation == start.generation &&
                        world.instances.size() == 1 && world.admitted == start.target.generation;
    check(
        world.instances.empty() || beside,
        "nothing starts while another exists, unless memory admits both"
    );
    check(node.state.prepared == start.target.spec, "nothing starts unprepared");
}

void Explorer::register_publication(Node& node, const Effect& effect) {
    World& world = node.world;
    const BackendState& s = node.state;
    if (const auto* open = std::get_if<PublishOpen>(&effect)) {
        check(
            s.running && s.running->generation == open->generation && s.running->ready &&
                !s.running->broken && s.running->loaded == open->target.spec,
            "traffic opens only to what is ready and loaded"
        );
        world.opening = open->generation;  // from now on requests may come
        world.request_waits = false;
        if (WorldInstance* one = find(world, open->generation)) {
            one->leased = !one->dead;
        }
    } else if (std::holds_alternative<PublishClosed>(effect)) {
        const bool own_reason = !s.running || s.running->broken || !s.desired || s.given_up ||
                                s.retry_at || s.traffic != Traffic::open;
        check(!s.candidate || own_reason, "a candidate never closes the side that serves");
    } else if (const auto* unload = std::get_if<Unload>(&effect)) {
        check(
            s.running && s.published != unload->spec && s.running->loaded != unload->spec,
            "only a model that is published no longer is unloaded"
        );
    }
}

void Explorer::register_departure(Node& node, const Effect& effect) {
    World& world = node.world;
    const auto reachable = [&](Generation generation) {
        return world.open_to == generation || world.opening == generation;
    };
    if (const auto* stop = std::get_if<Stop>(&effect)) {
        check(!reachable(stop->generation), "nothing is stopped while traffic can reach it");
        const WorldInstance* one = find(world, stop->generation);
        check(
            one == nullptr || one->dead || !one->leased, "nothing is stopped before it is drained"
        );
    } else if (const auto* drain = std::get_if<Drain>(&effect)) {
        check(!reachable(drain->generation), "nothing is drained while traffic can reach it");
    } else if (std::holds_alternative<Cut>(effect)) {
        check(!node.state.brief_drain, "nobody is cut because it was idle");
    }
}

void Explorer::register_operation(World& world, const Effect& effect) {
    if (const auto* opened = std::get_if<OpenOperation>(&effect)) {
        check(!world.operation, "every accepted operation has exactly one outcome");
        world.operation = opened->generation;
    } else if (const auto* finished_one = std::get_if<FinishOperation>(&effect)) {
        check(
            world.operation == finished_one->generation && finished(finished_one->outcome),
            "every accepted operation has exactly one outcome"
        );
        world.operation.reset();
    }
}

void Explorer::register_effect(Node& node, const Effect& effect) {
    World& world = node.world;
    const BackendState& s = node.state;
    if (one_lane(effect)) {
        check(!world.work, "one work at a time");
        world.work = effect;
        world.work_cancelled = false;
    }
    register_publication(node, effect);
    register_departure(node, effect);
    register_operation(world, effect);
    if (const auto* start = std::get_if<Start>(&effect)) {
        register_start(node, *start);
        world.admitted.reset();
    } else if (std::holds_alternative<LookForUse>(effect)) {
        world.looking_for_use = true;
    } else if (std::holds_alternative<CancelWork>(effect)) {
        check(world.work.has_value(), "only running work is cancelled");
        world.work_cancelled = true;
    } else if (const auto* prepare = std::get_if<Prepare>(&effect)) {
        check(!world.prepare, "one preparation at a time");
        world.prepare = prepare->target;
        world.prepare_cancelled = false;
    } else if (std::holds_alternative<CancelPreparation>(effect)) {
        world.prepare_cancelled = true;
    } else if (const auto* probe = std::get_if<Probe>(&effect)) {
        // An answer about one that is gone changes nothing: it is not followed any further.
        std::erase_if(world.probes, [&](const Generation& old) {
            return (!s.running || s.running->generation != old) &&
                   (!s.candidate || s.candidate->generation != old);
        });
        if (std::ranges::find(world.probes, probe->generation) == world.probes.end()) {
            world.probes.push_back(probe->generation);
        }
    }
}

void Explorer::check_instances(const Node& after) {
    const BackendState& s = after.state;
    const World& w = after.world;
    const bool looking =
        s.phase == Phase::recovering || (w.work && std::holds_alternative<ListOwned>(*w.work));
    const std::size_t known =
        (s.running ? 1U : 0U) + (s.candidate ? 1U : 0U) + (s.retiring ? 1U : 0U);
    check(w.instances.size() <= 2, "never more than two instances");
    check(
        looking || w.instances.size() < 2 || s.candidate || s.retiring,
        "never two instances but while a switch runs"
    );
    check(known <= 2 && !(s.candidate && s.retiring), "at most one candidate");
    check(
        looking || std::ranges::all_of(
                       w.instances,
                       [&](const WorldInstance& i) {
                           return (s.running && s.running->generation == i.generation) ||
                                  (s.candidate && s.candidate->generation == i.generation) ||
                                  (s.retiring && s.retiring->generation == i.generation);
                       }
                   ),
        "every instance is known"
    );
    const bool moves = w.opening && w.open_to && w.opening != w.open_to;
    check(
        !moves || s.traffic == Traffic::unsure ||
            (w.work && (std::holds_alternative<PublishOpen>(*w.work) ||
                        std::holds_alternative<PublishClosed>(*w.work))),
        "traffic points at exactly one of two and moves by one publication"
    );
}

void Explorer::check_state(const Node& before, const Event& event, const Node& after) {
    const BackendState& s = after.state;
    const World& w = after.world;
    check_instances(after);
    const bool publishing = w.work && (std::holds_alternative<PublishOpen>(*w.work) ||
                                       std::holds_alternative<PublishClosed>(*w.work));
    // What keeps traffic from being closed at once has been told to end, or is about the other one.
    const bool other = w.work && s.subject && s.running && *s.subject != s.running->generation;
    const bool open = w.open_to.has_value() || w.opening.has_value();
    check(
        publishing || w.work_cancelled || other || open == (s.phase == Phase::ready) ||
            s.pause_until > w.now,
        "traffic is open exactly in ready"
    );
    if (s.phase == Phase::ready) {
        check(
            s.running && s.running->ready &&
                (w.open_to == s.running->generation || w.opening == s.running->generation),
            "ready means a ready instance"
        );
    }
    if (s.phase == Phase::stopped || s.phase == Phase::failed || s.phase == Phase::backing_off ||
        s.phase == Phase::parked) {
        check(
            w.instances.empty() && !s.running && !s.retiring,
            "stopped, failed and backing off hold no instance"
        );
    }
    const auto wake = next_wake(s, policy_);
    check(!wake || *wake > w.now || w.work, "a timer lies in the future");
    const bool may_rest =
        s.phase == Phase::stopped || s.phase == Phase::failed || s.phase == Phase::parked;
    check(w.work || w.prepare || !w.probes.empty() || wake || may_rest, "never stuck");
    if (may_rest && !w.work) {
        check(!w.operation, "at rest no operation is open");
    }
    if (s.attempts > before.state.attempts) {
        const auto& was = before.state.running;
        const bool by_stop = std::holds_alternative<Stopped>(event) && was && was->broken &&
                             before.state.desired &&
                             was->target.generation == before.state.desired->generation;
        const auto& beside = before.state.candidate;
        const bool by_candidate = std::holds_alternative<Stopped>(event) && beside &&
                                  beside->broken && before.state.desired &&
                                  beside->target.generation == before.state.desired->generation;
        const bool by_prepare =
            std::holds_alternative<PrepareFailed>(event) || std::holds_alternative<Admitted>(event);
        check(
            by_stop || by_candidate || by_prepare,
            "attempts rise only when the wanted spec failed by itself"
        );
    }
}

}  // namespace nova::lifecycle

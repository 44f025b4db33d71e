// Everything that can happen next, and the one thing that does when nothing goes wrong.
#include <algorithm>
#include <utility>

#include "lifecycle/explorer.hpp"

namespace nova::lifecycle {
namespace {

void end_leases(World& world, Generation generation) {
    if (WorldInstance* one = find(world, generation)) {
        one->leased = false;
    }
}

void remove(World& world, Generation generation) {
    std::erase_if(world.instances, [&](const auto& i) { return i.generation == generation; });
}

}  // namespace

// Every way the pending work in lane one can end.
void Explorer::finish_work(const Node& node) {
    Node next = node;
    next.world.work.reset();
    World& w = next.world;
    const Effect& work = *node.world.work;
    if (std::holds_alternative<ListOwned>(work)) {
        Listed listed;
        for (const WorldInstance& i : w.instances) {
            listed.found.push_back({i.host, i.generation, !i.dead});
        }
        apply(next, listed, "listed");
        apply(next, ListFailed{}, "list failed");
    } else if (const auto* sweep = std::get_if<SweepStrays>(&work)) {
        apply(next, SweepFailed{}, "sweep failed");
        for (std::size_t i = w.instances.size(); i-- > 0;) {
            if (sweep->keep != i) {
                w.instances.erase(w.instances.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        apply(next, SweepFailed{}, "sweep worked but failed");
        apply(next, Swept{}, "swept");
    } else if (const auto* ask = std::get_if<Admit>(&work)) {
        const Generation wish = ask->target.generation;
        apply(next, Admitted{wish, false, {}}, "memory admits one");
        if (!node.world.work_cancelled) {
            apply(next, Admitted{wish, false, failure(true)}, "memory admits one, refused");
            w.admitted = wish;
            apply(next, Admitted{wish, true, {}}, "memory admits both");
        }
    } else if (const auto* start = std::get_if<Start>(&work)) {
        apply(next, StartFailed{start->generation, failure(false)}, "start failed");
        w.instances.push_back({start->generation, start->target.host});
        apply(next, StartFailed{start->generation, failure(false)}, "start failed dirty");
        apply(next, Started{.generation = start->generation}, "started");
    } else if (const auto* load = std::get_if<Load>(&work)) {
        apply(next, LoadFailed{load->target.spec, failure(false)}, "load failed");
        apply(next, LoadFailed{load->target.spec, failure(true)}, "load failed for good");
        if (alive(w, load->generation)) {
            apply(next, Loaded{load->target.spec}, "loaded");
        }
    } else if (std::holds_alternative<PublishOpen>(work)) {
        apply(next, PublishFailed{}, "publish open failed");
        w.open_to = std::exchange(w.opening, std::nullopt);
        apply(next, Published{}, "published open");
    } else if (std::holds_alternative<PublishClosed>(work)) {
        apply(next, PublishFailed{}, "publish closed failed");
        w.open_to.reset();
        w.opening.reset();
        apply(next, Published{}, "published closed");
    } else if (const auto* drain = std::get_if<Drain>(&work)) {
        apply(next, Drained{1}, "drain ran out");
        end_leases(w, drain->generation);
        apply(next, Drained{0}, "drained");
    } else if (const auto* cut = std::get_if<Cut>(&work)) {
        end_leases(w, cut->generation);
        apply(next, CutDone{}, "cut");
    } else if (const auto* stop = std::get_if<Stop>(&work)) {
        apply(next, StopFailed{stop->generation}, "stop failed");
        remove(w, stop->generation);
        apply(next, StopFailed{stop->generation}, "stop worked but failed");
        apply(next, Stopped{stop->generation, {}}, "stopped");
        apply(next, Stopped{stop->generation, failure(true)}, "stopped, for good");
    }
}

void Explorer::settle_probe(const Node& node, Generation generation) {
    Node next = node;
    std::erase(next.world.probes, generation);
    apply(next, Probed{generation, Probed::Verdict::failed}, "probe failed");
    if (alive(node.world, generation)) {
        apply(next, Probed{generation, Probed::Verdict::ready}, "probe ready");
        apply(next, Probed{generation, Probed::Verdict::loading}, "probe loading");
    }
}

void Explorer::other_moves(const Node& node) {
    if (node.world.prepare) {
        Node next = node;
        next.world.prepare.reset();
        const SpecHash spec = node.world.prepare->spec;
        apply(next, Prepared{spec}, "prepared");
        apply(next, PrepareFailed{spec, failure(false)}, "prepare failed");
        apply(next, PrepareFailed{spec, failure(true)}, "prepare failed for good");
    }
    for (const Generation& generation : node.world.probes) {
        settle_probe(node, generation);
    }
    for (std::size_t i = 0; i < node.world.instances.size(); ++i) {
        if (!node.world.instances[i].dead) {
            Node next = node;
            const Generation generation = node.world.instances[i].generation;
            next.world.instances[i].dead = true;
            next.world.instances[i].leased = false;
            apply(next, Exited{generation, failure(false)}, "exited");
            apply(node, Condemned{generation, failure(false)}, "condemned");
        }
    }
    for (const std::string& wish : wishes_) {
        apply(
            node, Wished{wish.empty() ? std::nullopt : std::optional{target(wish)}},
            "wish " + (wish.empty() ? "nothing" : wish)
        );
    }
    if (node.world.operation) {
        apply(node, CancelWished{*node.world.operation}, "cancel");
    }
    if (const auto wake = next_wake(node.state, policy_); wake && *wake > node.world.now) {
        Node next = node;
        next.world.now = *wake;
        apply(next, Tick{}, "tick");
    }
}

// Nova is killed and started again; what it was doing may or may not have happened.
void Explorer::crash(const Node& node) {
    Node next;
    next.state = after_restart(node.state);
    next.world.now = node.world.now;
    next.world.instances = node.world.instances;
    next.world.operation = node.world.operation;
    next.world.request_waits = node.world.request_waits && !node.state.parking;
    for (WorldInstance& i : next.world.instances) {
        i.leased = false;
    }
    apply(next, Booted{}, "killed");
    if (node.world.work) {
        if (const auto* start = std::get_if<Start>(&*node.world.work)) {
            next.world.instances.push_back({start->generation, start->target.host, false});
            apply(next, Booted{}, "killed after the spawn");
        } else if (const auto* stop = std::get_if<Stop>(&*node.world.work)) {
            remove(next.world, stop->generation);
            apply(next, Booted{}, "killed after the stop");
        }
    }
}

namespace {

// The pending work in lane one ends well.
std::pair<Event, std::string> healthy_work(World& w) {
    const Effect work = *w.work;
    w.work.reset();
    if (std::holds_alternative<ListOwned>(work)) {
        Listed listed;
        for (const WorldInstance& i : w.instances) {
            listed.found.push_back({i.host, i.generation, !i.dead});
        }
        return {listed, "listed"};
    }
    if (const auto* sweep = std::get_if<SweepStrays>(&work)) {
        for (std::size_t i = w.instances.size(); i-- > 0;) {
            if (sweep->keep != i) {
                w.instances.erase(w.instances.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        return {Swept{}, "swept"};
    }
    if (const auto* ask = std::get_if<Admit>(&work)) {
        w.admitted = ask->target.generation;
        return {Admitted{ask->target.generation, !w.work_cancelled, {}}, "admitted"};
    }
    if (const auto* start = std::get_if<Start>(&work)) {
        w.instances.push_back({start->generation, start->target.host});
        return {Started{.generation = start->generation}, "started"};
    }
    if (const auto* load = std::get_if<Load>(&work)) {
        if (!alive(w, load->generation) || w.work_cancelled) {
            return {LoadFailed{load->target.spec, failure(false)}, "load failed"};
        }
        return {Loaded{load->target.spec}, "loaded"};
    }
    if (std::holds_alternative<PublishOpen>(work)) {
        w.open_to = std::exchange(w.opening, std::nullopt);
        return {Published{}, "published"};
    }
    if (std::holds_alternative<PublishClosed>(work)) {
        w.open_to.reset();
        w.opening.reset();
        return {Published{}, "published"};
    }
    if (const auto* drain = std::get_if<Drain>(&work)) {
        end_leases(w, drain->generation);
        return {Drained{0}, "drained"};
    }
    if (const auto* cut = std::get_if<Cut>(&work)) {
        end_leases(w, cut->generation);
        return {CutDone{}, "cut"};
    }
    const Generation stopped = std::get<Stop>(work).generation;
    remove(w, stopped);
    return {Stopped{stopped, {}}, "stopped"};
}

}  // namespace

// The one thing that happens next when nothing goes wrong.
std::pair<Event, std::string> Explorer::healthy_move(Node& node) {
    World& w = node.world;
    if (w.work) {
        return healthy_work(w);
    }
    if (w.prepare) {
        const SpecHash spec = w.prepare->spec;
        w.prepare.reset();
        return {Prepared{spec}, "prepared"};
    }
    if (!w.probes.empty()) {
        const Generation generation = w.probes.front();
        w.probes.erase(w.probes.begin());
        const bool ready = alive(w, generation);
        return {
            Probed{generation, ready ? Probed::Verdict::ready : Probed::Verdict::failed}, "probed"
        };
    }
    if (const auto wake = next_wake(node.state, policy_)) {
        w.now = std::max(w.now, *wake);
    }
    return {Tick{}, "tick"};
}

bool Explorer::healthy_reaches_goal(const Node& start) {
    Node node = start;
    std::vector<std::string> path;
    collecting_ = false;
    bool good = false;
    for (int i = 0; i < 400 && !good; ++i) {
        std::string key = full_key(node);
        good = good_.contains(key) || reached(node);
        path.push_back(std::move(key));
        if (!good) {
            auto [event, label] = healthy_move(node);
            apply(node, event, "healthy " + label);
            node = outcome_;
        }
    }
    collecting_ = true;
    if (good) {
        good_.insert(path.begin(), path.end());
    }
    return good;
}

void Explorer::successors(const Node& node) {
    if (node.world.work) {
        finish_work(node);
    }
    other_moves(node);
    for (Move& move : supervised_ ? supervised_moves(node) : std::vector<Move>{}) {
        apply(std::move(move.node), move.event, move.label);
    }
    crash(node);
}

}  // namespace nova::lifecycle

// The supervised part of the explored world: idleness, work that is seen, requests that wake.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lifecycle/explorer_world.hpp"

namespace nova::lifecycle {

// Larger than the plain world: idleness puts away, and work that is seen excuses a bad look.
enum class Supervised : bool { no, yes };

inline void supervise(LifecyclePolicy& policy, Supervised supervised) {
    const auto some = supervised == Supervised::yes ? kUnit : seconds{0};
    policy.stall_limit = kUnit;
    policy.idle_look = kUnit;
    policy.busy_doubt = some;
    policy.idle_unload = some;
}

struct Move {
    Node node;
    Event event;
    std::string label;
};

inline std::vector<Move> supervised_moves(const Node& node) {
    std::vector<Move> moves;
    if (node.world.looking_for_use) {
        Node next = node;
        next.world.looking_for_use = false;
        const Generation generation =
            node.state.running ? node.state.running->generation : Generation{};
        // What was seen may be old by the time it is told: somebody may be inside all the same.
        moves.push_back({next, UseSeen{.generation = generation, .used = false}, "seen idle"});
        moves.push_back({next, UseSeen{.generation = generation, .used = true}, "seen in use"});
    }
    if ((node.state.parked || node.state.parking) && !node.world.request_waits) {
        Node next = node;
        next.world.request_waits = true;
        moves.push_back({std::move(next), Woken{}, "somebody asks"});
    }
    for (const Generation& generation : node.world.probes) {
        if (alive(node.world, generation)) {
            Node next = node;
            std::erase(next.world.probes, generation);
            const Probed works{.generation = generation, .worked = true};
            moves.push_back({std::move(next), works, "probe failed, but it works"});
        }
    }
    return moves;
}

// Since when the ready instance has been looking bad; the machine's own account is not trusted.
inline void note_trouble(const Node& before, const Event& event, Node& after) {
    const auto* probed = std::get_if<Probed>(&event);
    const auto& running = before.state.running;
    if (probed != nullptr && running && running->ready &&
        running->generation == probed->generation) {
        if (probed->verdict == Probed::Verdict::ready) {
            after.world.troubled.reset();
        } else if (!after.world.troubled) {
            after.world.troubled = after.world.now;
        }
    }
    if (!after.state.running || !after.state.running->ready) {
        after.world.troubled.reset();
    }
}

// What is promised of an instance that is looked at (decisions.md 2.23, 2.24).
inline std::vector<std::pair<bool, std::string>>
supervision_checks(const Node& before, const Event& event, const Node& after) {
    std::vector<std::pair<bool, std::string>> checks;
    const BackendState& s = after.state;
    if (const auto* probed = std::get_if<Probed>(&event); probed != nullptr && probed->worked) {
        const auto& troubled = after.world.troubled;
        const bool believed = troubled && after.world.now < *troubled + kUnit;
        const auto& was = before.state.running;
        const bool struck = s.strikes > before.state.strikes ||
                            (was && !was->broken && s.running && s.running->broken);
        checks.emplace_back(!believed || !struck, "no strike while work is seen, for a time");
    }
    if (s.parked && !before.state.parked) {
        checks.emplace_back(
            !after.world.open_to &&
                std::ranges::none_of(after.world.instances, &WorldInstance::leased),
            "parked only with traffic closed and nobody inside"
        );
    }
    checks.emplace_back(!s.parked || s.desired.has_value(), "what is parked stays wanted");
    return checks;
}

inline std::string supervision_key(const Node& node) {
    const BackendState& s = node.state;
    const World& w = node.world;
    const auto in = [&](TimePoint time) {
        return std::max<std::int64_t>(0, std::chrono::duration_cast<seconds>(time - w.now).count());
    };
    return fmt::format(
        "|P{}{}{}{}{}|{}|{}|{}|{}", s.parked, s.parking, s.brief_drain, w.looking_for_use,
        w.request_waits, s.doubted_since ? in(*s.doubted_since + kUnit) : -1,
        w.troubled ? in(*w.troubled + kUnit) : -1, s.ready_since ? in(s.next_use_look_at) : 0,
        s.ready_since ? in(s.used_at + kUnit) : 0
    );
}

}  // namespace nova::lifecycle

// What surrounds the machine while it is explored, and when two situations count as the same.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "lifecycle/transition.hpp"

namespace nova::lifecycle {

using std::chrono::seconds;

// Two lengths of time only, so that the states are few; the rules do not know the numbers.
inline constexpr seconds kUnit{30};
inline constexpr std::chrono::nanoseconds kMoment{1};

inline Target target(std::string_view name) {
    // Names that start with M are models of one host.
    const std::string host{name.substr(0, 1) == "M" ? "M" : name};
    return {.spec = {std::string{name}}, .host = {host}, .generation = {}};
}

inline Failure failure(bool terminal) {
    return {
        .terminal = terminal, .error = {.code = "x", .detail = "x", .remedy = {}, .log_excerpt = {}}
    };
}

struct WorldInstance {
    Generation generation;
    SpecHash host;
    bool dead = false;
    bool leased = false;  // a request is inside
};

struct World {
    TimePoint now{std::chrono::hours{1}};
    std::vector<WorldInstance> instances;
    std::optional<Generation> open_to;  // what the gateway admits requests to
    std::optional<Generation> opening;  // or to this one: its publication is not acknowledged yet
    std::optional<Effect> work;         // pending in lane one
    bool work_cancelled = false;
    std::optional<Target> prepare;
    bool prepare_cancelled = false;
    std::vector<Generation> probes;
    std::optional<Generation> admitted;   // wish whose instance memory admits beside another
    std::optional<Generation> operation;  // accepted, no outcome yet
    bool looking_for_use = false;         // asked for, not answered yet
    bool request_waits = false;           // somebody asked while it was parked, or was being parked
    std::optional<TimePoint> troubled;    // first bad look of the ready instance since a good one
};

inline WorldInstance* find(World& world, Generation generation) {
    const auto at = std::ranges::find(world.instances, generation, &WorldInstance::generation);
    return at == world.instances.end() ? nullptr : &*at;
}

inline bool alive(const World& world, Generation generation) {
    return std::ranges::any_of(world.instances, [&](const WorldInstance& i) {
        return i.generation == generation && !i.dead;
    });
}

struct Node {
    BackendState state;
    World world;
};

// A state without names and absolute times: equal keys behave alike.
inline std::string key_of(const Node& node) {
    const BackendState& s = node.state;
    const World& w = node.world;
    std::vector<std::uint64_t> names;
    const auto name = [&](const std::optional<Generation>& generation) -> std::size_t {
        if (!generation) {
            return 0;
        }
        const auto at = std::ranges::find(names, generation->value);
        if (at == names.end()) {
            names.push_back(generation->value);
            return names.size();
        }
        return static_cast<std::size_t>(at - names.begin()) + 1;
    };
    const auto at = [&](const std::optional<Target>& t) {
        return t ? fmt::format("{}{}", t->spec.value, name(t->generation)) : std::string{"-"};
    };
    const auto in = [&](TimePoint time) {
        return std::max<std::int64_t>(0, std::chrono::duration_cast<seconds>(time - w.now).count());
    };
    std::string key = fmt::format(
        "{}|{}|{}|{}|{}|{}{}|{}{}|{}{}{}|", at(s.desired), at(s.before),
        s.last_good ? s.last_good->spec.value : "-",
        name(s.wish ? std::optional{s.wish->generation} : std::nullopt),
        s.prepared ? s.prepared->value : "-", at(s.preparing), s.cancelling_preparation, s.listed,
        s.strays, s.adopted_index ? static_cast<int>(*s.adopted_index) : -1,
        static_cast<int>(s.traffic), s.traffic == Traffic::closed ? "" : s.published.value
    );
    for (const auto* one : {&s.running, &s.candidate, &s.retiring}) {
        if (!*one) {
            key += "-";
            continue;
        }
        const Running& r = **one;
        key += fmt::format(
            "R{}:{}:{}{}{}{}{}{}{}{}{}f{}d{}", at(r.target), name(r.generation), r.adopted, r.up,
            r.ready, r.gone, r.drained, r.proven, r.loaded ? r.loaded->value : "-",
            r.unused ? r.unused->value : "-",
            r.broken ? 1 + static_cast<int>(r.broken->terminal) : 0, std::min(r.stop_failures, 1U),
            r.ready ? 0 : in(r.start_deadline)
        );
        key += one == &s.candidate ? fmt::format("p{}{}|", r.probed, in(r.probe_at)) : "|";
    }
    key += s.way ? fmt::format("w{}{}|", name(s.way->wish), s.way->beside) : "";
    key += fmt::format("s{}|", name(s.subject));
    const bool serving = s.running && s.ready_since;
    key += fmt::format(
        "{}{}{}|{}|{}|{}{}{}{}|{}|{}|{}|{}|{}|", static_cast<int>(s.busy), s.cancelling,
        s.timed_out, at(s.loading), name(s.probing), std::min(s.attempts, 2U), s.row_began_ready,
        s.strikes, s.given_up, in(s.pause_until), s.retry_at ? in(*s.retry_at) : -1,
        s.running ? in(s.next_probe_at) : 0, s.busy == Work::load ? in(s.load_deadline) : 0,
        serving && s.attempts > 0 ? in(*s.ready_since + kUnit) : -1
    );
    for (const WorldInstance& i : w.instances) {
        key += fmt::format("W{}{}{}{}", name(i.generation), i.host.value, i.dead, i.leased);
    }
    for (const Generation& probe : w.probes) {
        key += fmt::format("P{}", name(probe));
    }
    key += fmt::format(
        "|{}|{}|{}|{}{}|{}{}|{}", name(w.open_to), name(w.opening), name(w.admitted),
        w.work ? static_cast<int>(w.work->index()) : -1, w.work_cancelled, at(w.prepare),
        w.prepare_cancelled, name(w.operation)
    );
    return key;
}

}  // namespace nova::lifecycle

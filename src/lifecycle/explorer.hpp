// Walks the states the machine can reach in a hostile world. Tests only; checks in
// explorer_checks_test.cpp, what can happen in explorer_moves_test.cpp.
#pragma once

#include <cstddef>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lifecycle/explorer_supervision.hpp"
#include "lifecycle/explorer_world.hpp"

namespace nova::lifecycle {

inline constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

inline LifecyclePolicy coarse(PlantedBug bug, Supervised supervised) {
    LifecyclePolicy policy;
    policy.start_limit = kUnit;
    policy.probe_interval = kUnit;
    policy.starting_probe_interval = kUnit;
    policy.retry_pause = kMoment;
    policy.forget_after = kUnit;
    policy.backoff_unit = kMoment;
    policy.strikes = 2;
    supervise(policy, supervised);
    policy.bug = bug;
    return policy;
}

inline bool reached(const Node& node) {
    const BackendState& s = node.state;
    if (node.world.operation || node.world.work || s.candidate || s.retiring) {
        return false;
    }
    if (!s.desired) {
        return s.phase == Phase::stopped && node.world.instances.empty();
    }
    if (s.parked) {
        return node.world.instances.empty() && !node.world.request_waits;
    }
    return s.phase == Phase::failed ||
           (s.phase == Phase::ready && s.running->loaded == s.desired->spec &&
            s.published == s.desired->spec && s.running->target.host == s.desired->host);
}

class Explorer {
public:
    Explorer(
        PlantedBug bug, std::vector<std::string> wishes, std::size_t limit = kAll,
        Supervised supervised = Supervised::no
    )
        : policy_{coarse(bug, supervised)}, supervised_{supervised == Supervised::yes},
          wishes_{std::move(wishes)}, limit_{limit} {}

    // first: nova begins in a calm world in which that is wanted and serves.
    void run(const std::string& first = {});

    std::size_t states() const { return seen_.size(); }

    std::size_t transitions() const { return transitions_; }

    const std::map<std::string, std::string>& violations() const { return violations_; }

    const std::map<std::string, std::size_t>& checked() const { return checked_; }

private:
    struct Origin {
        std::size_t parent;
        std::string label;
    };

    void check(bool holds, const std::string& invariant);
    void visit(Node node, std::string label);
    void apply(Node node, const Event& event, std::string label);
    void register_effect(Node& node, const Effect& effect);
    void register_start(Node& node, const Start& start);
    void register_publication(Node& node, const Effect& effect);
    void register_departure(Node& node, const Effect& effect);
    void register_operation(World& world, const Effect& effect);
    void check_instances(const Node& after);
    void settle_probe(const Node& node, Generation generation);
    void check_state(const Node& before, const Event& event, const Node& after);
    void successors(const Node& node);
    void finish_work(const Node& node);
    void other_moves(const Node& node);
    void crash(const Node& node);
    std::pair<Event, std::string> healthy_move(Node& node);
    bool healthy_reaches_goal(const Node& start);
    std::string trace() const;

    std::string full_key(const Node& node) const {
        return key_of(node) + (supervised_ ? supervision_key(node) : "");
    }

    LifecyclePolicy policy_;
    bool supervised_;
    std::vector<std::string> wishes_;
    std::size_t limit_;
    std::unordered_set<std::string> seen_;
    std::unordered_set<std::string> good_;
    std::deque<std::pair<Node, std::size_t>> queue_;
    std::vector<Origin> origins_;
    std::size_t current_ = 0;
    std::string current_label_;
    std::size_t transitions_ = 0;
    bool collecting_ = true;  // false while a healthy run is followed
    Node outcome_;            // of the last apply while not collecting
    std::map<std::string, std::string> violations_;
    std::map<std::string, std::size_t> checked_;
};

}  // namespace nova::lifecycle

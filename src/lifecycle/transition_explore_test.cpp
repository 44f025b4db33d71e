// Walks every state the machine can reach in a hostile world, and proves that it is noticed when
// the machine is broken on purpose.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lifecycle/explorer_supervision.hpp"
#include "lifecycle/explorer_world.hpp"
#include "lifecycle/transition.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

// Every state of the worlds with two wishes takes minutes under sanitizers: NOVA_EXPLORE=all walks
// them, every run walks those of one wish in full and the nearest of the others.
std::size_t nearest() {
    return std::getenv("NOVA_EXPLORE") != nullptr ? kAll : 20'000;
}

LifecyclePolicy coarse(PlantedBug bug, Supervised supervised) {
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

class Explorer {
public:
    Explorer(
        PlantedBug bug, std::vector<std::string> wishes, std::size_t limit = kAll,
        Supervised supervised = Supervised::no
    )
        : policy_{coarse(bug, supervised)}, supervised_{supervised == Supervised::yes},
          wishes_{std::move(wishes)}, limit_{limit} {}

    void run();

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
    void check_state(const Node& before, const Event& event, const Node& after);
    void successors(const Node& node);
    void finish_work(const Node& node);
    void other_moves(const Node& node);
    void crash(const Node& node);
    std::pair<Event, std::string> healthy_move(Node& node);
    bool healthy_reaches_goal(const Node& start);
    std::string trace() const;

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

std::string Explorer::trace() const {
    std::string text = current_label_;
    for (std::size_t at = current_; at != 0; at = origins_[at].parent) {
        text = origins_[at].label + " > " + text;
    }
    return text;
}

void Explorer::check(bool holds, const std::string& invariant) {
    ++checked_[invariant];
    if (!holds && !violations_.contains(invariant)) {
        violations_[invariant] = trace();
    }
}

void Explorer::visit(Node node, std::string label) {
    ++transitions_;
    if (!collecting_) {
        outcome_ = std::move(node);
        return;
    }
    if (seen_.insert(key_of(node) + (supervised_ ? supervision_key(node) : "")).second) {
        origins_.push_back({current_, std::move(label)});
        queue_.emplace_back(std::move(node), origins_.size() - 1);
    }
}

bool one_lane(const Effect& effect) {
    return std::holds_alternative<ListOwned>(effect) ||
           std::holds_alternative<SweepStrays>(effect) || std::holds_alternative<Start>(effect) ||
           std::holds_alternative<Load>(effect) || std::holds_alternative<PublishOpen>(effect) ||
           std::holds_alternative<PublishClosed>(effect) || std::holds_alternative<Drain>(effect) ||
           std::holds_alternative<Cut>(effect) || std::holds_alternative<Stop>(effect);
}

void Explorer::register_effect(Node& node, const Effect& effect) {
    World& world = node.world;
    if (one_lane(effect)) {
        check(!world.work, "one work at a time");
        world.work = effect;
        world.work_cancelled = false;
    }
    if (const auto* start = std::get_if<Start>(&effect)) {
        check(world.instances.empty(), "never start while one exists");
        check(node.state.prepared == start->target.spec, "nothing starts unprepared");
    } else if (const auto* open = std::get_if<PublishOpen>(&effect)) {
        const auto& running = node.state.running;
        check(
            running && running->ready && !running->broken && running->loaded == open->target.spec,
            "traffic opens only to what is ready and loaded"
        );
        world.open_to = open->generation;  // from now on requests may come
        world.lease_on = open->generation;
        world.request_waits = false;
    } else if (const auto* stop = std::get_if<Stop>(&effect)) {
        check(!world.open_to, "nothing is stopped before traffic is closed");
        const bool alive = std::ranges::any_of(world.instances, [&](const WorldInstance& i) {
            return i.generation == stop->generation && !i.dead;
        });
        check(
            !alive || world.lease_on != stop->generation, "nothing is stopped before it is drained"
        );
    } else if (std::holds_alternative<Cut>(effect)) {
        check(!node.state.brief_drain, "nobody is cut because it was idle");
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
        world.probe = probe->generation;
    } else if (const auto* opened = std::get_if<OpenOperation>(&effect)) {
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

void Explorer::check_state(const Node& before, const Event& event, const Node& after) {
    const BackendState& s = after.state;
    const World& w = after.world;
    check(w.instances.size() <= 1, "never two instances");
    const bool publishing = w.work && (std::holds_alternative<PublishOpen>(*w.work) ||
                                       std::holds_alternative<PublishClosed>(*w.work));
    // What keeps traffic from being closed at once has been told to end.
    check(
        publishing || w.work_cancelled || w.open_to.has_value() == (s.phase == Phase::ready) ||
            s.pause_until > w.now,
        "traffic is open exactly in ready"
    );
    if (s.phase == Phase::ready) {
        check(
            s.running && w.open_to == s.running->generation && s.running->ready,
            "ready means a ready instance"
        );
    }
    if (s.phase == Phase::stopped || s.phase == Phase::failed || s.phase == Phase::backing_off ||
        s.phase == Phase::parked) {
        check(
            w.instances.empty() && !s.running, "stopped, failed and backing off hold no instance"
        );
    }
    check(
        w.instances.empty() || s.running || s.phase == Phase::recovering ||
            (w.work && std::holds_alternative<ListOwned>(*w.work)),
        "every instance is known"
    );
    const auto wake = next_wake(s, policy_);
    check(!wake || *wake > w.now || w.work, "a timer lies in the future");
    const bool may_rest =
        s.phase == Phase::stopped || s.phase == Phase::failed || s.phase == Phase::parked;
    check(w.work || w.prepare || w.probe || wake || may_rest, "never stuck");
    if (may_rest && !w.work) {
        check(!w.operation, "at rest no operation is open");
    }
    if (s.attempts > before.state.attempts) {
        const auto& was = before.state.running;
        const bool by_stop = std::holds_alternative<Stopped>(event) && was && was->broken &&
                             before.state.desired &&
                             was->target.generation == before.state.desired->generation;
        const bool by_prepare = std::holds_alternative<PrepareFailed>(event);
        check(by_stop || by_prepare, "attempts rise only when the wanted spec failed by itself");
    }
}

void Explorer::apply(Node node, const Event& event, std::string label) {
    current_label_ = label;
    const Node before = node;
    Step step = transition(std::move(node.state), event, node.world.now, policy_);
    node.state = std::move(step.state);
    for (const Effect& effect : step.effects) {
        register_effect(node, effect);
    }
    check_state(before, event, node);
    note_trouble(before, event, node);
    for (const auto& [holds, invariant] : supervision_checks(before, event, node)) {
        check(holds, invariant);
    }
    visit(std::move(node), std::move(label));
}

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
    } else if (const auto* start = std::get_if<Start>(&work)) {
        apply(next, StartFailed{start->generation, failure(false)}, "start failed");
        w.instances.push_back({start->generation, start->target.host, false});
        apply(next, StartFailed{start->generation, failure(false)}, "start failed dirty");
        apply(next, Started{.generation = start->generation}, "started");
    } else if (const auto* load = std::get_if<Load>(&work)) {
        apply(next, LoadFailed{load->target.spec, failure(false)}, "load failed");
        apply(next, LoadFailed{load->target.spec, failure(true)}, "load failed for good");
        if (!w.instances.empty() && !w.instances.front().dead) {
            apply(next, Loaded{load->target.spec}, "loaded");
        }
    } else if (std::holds_alternative<PublishOpen>(work)) {
        apply(next, Published{}, "published open");
        apply(next, PublishFailed{}, "publish open failed");
    } else if (std::holds_alternative<PublishClosed>(work)) {
        apply(next, PublishFailed{}, "publish closed failed");
        w.open_to.reset();
        apply(next, Published{}, "published closed");
    } else if (std::holds_alternative<Drain>(work)) {
        apply(next, Drained{1}, "drain ran out");
        w.lease_on.reset();
        apply(next, Drained{0}, "drained");
    } else if (std::holds_alternative<Cut>(work)) {
        w.lease_on.reset();
        apply(next, CutDone{}, "cut");
    } else if (const auto* stop = std::get_if<Stop>(&work)) {
        apply(next, StopFailed{stop->generation}, "stop failed");
        w.instances.clear();
        w.lease_on.reset();
        apply(next, StopFailed{stop->generation}, "stop worked but failed");
        apply(next, Stopped{stop->generation, {}}, "stopped");
        apply(next, Stopped{stop->generation, failure(true)}, "stopped, for good");
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
    if (node.world.probe) {
        Node next = node;
        next.world.probe.reset();
        const Generation generation = *node.world.probe;
        const bool alive = std::ranges::any_of(node.world.instances, [&](const WorldInstance& i) {
            return i.generation == generation && !i.dead;
        });
        apply(next, Probed{generation, Probed::Verdict::failed}, "probe failed");
        if (alive) {
            apply(next, Probed{generation, Probed::Verdict::ready}, "probe ready");
            apply(next, Probed{generation, Probed::Verdict::loading}, "probe loading");
        }
    }
    for (std::size_t i = 0; i < node.world.instances.size(); ++i) {
        if (!node.world.instances[i].dead) {
            Node next = node;
            const Generation generation = node.world.instances[i].generation;
            next.world.instances[i].dead = true;
            if (next.world.lease_on == generation) {
                next.world.lease_on.reset();
            }
            apply(next, Exited{generation, failure(false)}, "exited");
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
    apply(next, Booted{}, "killed");
    if (node.world.work) {
        if (const auto* start = std::get_if<Start>(&*node.world.work)) {
            next.world.instances.push_back({start->generation, start->target.host, false});
            apply(next, Booted{}, "killed after the spawn");
        } else if (std::holds_alternative<Stop>(*node.world.work)) {
            next.world.instances.clear();
            apply(next, Booted{}, "killed after the stop");
        }
    }
}

// The one thing that happens next when nothing goes wrong.
std::pair<Event, std::string> Explorer::healthy_move(Node& node) {
    World& w = node.world;
    if (w.work) {
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
        if (const auto* start = std::get_if<Start>(&work)) {
            w.instances.push_back({start->generation, start->target.host, false});
            return {Started{.generation = start->generation}, "started"};
        }
        if (const auto* load = std::get_if<Load>(&work)) {
            if (w.instances.empty() || w.instances.front().dead || w.work_cancelled) {
                return {LoadFailed{load->target.spec, failure(false)}, "load failed"};
            }
            return {Loaded{load->target.spec}, "loaded"};
        }
        if (std::holds_alternative<PublishOpen>(work)) {
            return {Published{}, "published"};
        }
        if (std::holds_alternative<PublishClosed>(work)) {
            w.open_to.reset();
            return {Published{}, "published"};
        }
        if (std::holds_alternative<Drain>(work)) {
            w.lease_on.reset();
            return {Drained{0}, "drained"};
        }
        if (std::holds_alternative<Cut>(work)) {
            w.lease_on.reset();
            return {CutDone{}, "cut"};
        }
        w.instances.clear();
        w.lease_on.reset();
        return {Stopped{std::get<Stop>(work).generation, {}}, "stopped"};
    }
    if (w.prepare) {
        const SpecHash spec = w.prepare->spec;
        w.prepare.reset();
        return {Prepared{spec}, "prepared"};
    }
    if (w.probe) {
        const Generation generation = *w.probe;
        w.probe.reset();
        const bool alive = !w.instances.empty() && w.instances.front().generation == generation &&
                           !w.instances.front().dead;
        return {
            Probed{generation, alive ? Probed::Verdict::ready : Probed::Verdict::failed}, "probed"
        };
    }
    if (const auto wake = next_wake(node.state, policy_)) {
        w.now = std::max(w.now, *wake);
    }
    return {Tick{}, "tick"};
}

bool reached(const Node& node) {
    const BackendState& s = node.state;
    if (node.world.operation || node.world.work) {
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

bool Explorer::healthy_reaches_goal(const Node& start) {
    Node node = start;
    std::vector<std::string> path;
    collecting_ = false;
    bool good = false;
    for (int i = 0; i < 400 && !good; ++i) {
        std::string key = key_of(node) + (supervised_ ? supervision_key(node) : "");
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

void Explorer::run() {
    origins_.push_back({0, "boot"});
    apply(Node{}, Booted{}, "boot");
    while (!queue_.empty() && violations_.empty() && seen_.size() < limit_) {
        const auto [node, origin] = std::move(queue_.front());
        queue_.pop_front();
        current_ = origin;
        current_label_ = "";
        const std::size_t before = transitions_;
        const bool good = healthy_reaches_goal(node);
        transitions_ = before;
        current_label_ = "healthy run";
        check(good, "a healthy world reaches what is wanted");
        successors(node);
    }
}

void print(const Explorer& explorer, std::string_view world) {
    fmt::print(
        "explorer, wishes {}: {} states, {} transitions\n", world, explorer.states(),
        explorer.transitions()
    );
    for (const auto& [invariant, count] : explorer.checked()) {
        fmt::print("  {:<66} {:>9} checks\n", invariant, count);
    }
    for (const auto& [invariant, trace] : explorer.violations()) {
        ADD_FAILURE() << invariant << "\n  " << trace;
    }
}

TEST(TransitionExplore, KeepsEveryPromiseBetweenTwoEngines) {
    Explorer explorer{PlantedBug::none, {"", "A", "B"}, nearest()};
    explorer.run();
    print(explorer, "{nothing, A, B}");
    EXPECT_GT(explorer.states(), 1000U);
}

TEST(TransitionExplore, KeepsEveryPromiseBetweenModelsOfOneEngine) {
    Explorer explorer{PlantedBug::none, {"", "M1", "M2"}, nearest()};
    explorer.run();
    print(explorer, "{nothing, M1, M2}");
    EXPECT_GT(explorer.states(), 1000U);
}

TEST(TransitionExplore, KeepsEveryPromiseOfOneEngineInEveryState) {
    Explorer explorer{PlantedBug::none, {"", "A"}};
    explorer.run();
    print(explorer, "{nothing, A}");
    EXPECT_GT(explorer.states(), 1000U);
}

TEST(TransitionExplore, KeepsEveryPromiseOfOneEngineThatIsParkedAndDoubted) {
    Explorer explorer{PlantedBug::none, {"", "A"}, nearest(), Supervised::yes};
    explorer.run();
    print(explorer, "{nothing, A} supervised");
    EXPECT_GT(explorer.checked().at("parked only with traffic closed and nobody inside"), 0U);
}

struct Planted {
    PlantedBug bug;
    std::string name;
    Supervised supervised = Supervised::no;
};

class TransitionExploreBug : public testing::TestWithParam<Planted> {};

TEST_P(TransitionExploreBug, IsCaught) {
    Explorer explorer{GetParam().bug, {"", "A", "B"}, kAll, GetParam().supervised};
    explorer.run();
    ASSERT_FALSE(explorer.violations().empty());
    for (const auto& [invariant, trace] : explorer.violations()) {
        fmt::print(
            "planted {}: caught after {} states by \"{}\"\n  {}\n", GetParam().name,
            explorer.states(), invariant, trace
        );
    }
}

INSTANTIATE_TEST_SUITE_P(
    All, TransitionExploreBug,
    testing::Values(
        Planted{PlantedBug::stop_without_drain, "StopWithoutDrain"},
        Planted{PlantedBug::open_before_loaded, "OpenBeforeLoaded"},
        Planted{PlantedBug::failed_stop_counts_as_gone, "FailedStopCountsAsGone"},
        Planted{PlantedBug::own_stop_counts_as_failure, "OwnStopCountsAsFailure"},
        Planted{PlantedBug::supersede_forgets_outcome, "SupersedeForgetsOutcome"},
        Planted{PlantedBug::skip_recovery, "SkipRecovery"},
        Planted{PlantedBug::retry_timer_lost, "RetryTimerLost"},
        Planted{PlantedBug::exit_leaves_traffic_open, "ExitLeavesTrafficOpen"},
        Planted{PlantedBug::parks_with_lease, "ParksWithLease", Supervised::yes},
        Planted{PlantedBug::strike_despite_work, "StrikeDespiteWork", Supervised::yes},
        Planted{PlantedBug::wake_lost, "WakeLost", Supervised::yes}
    ),
    [](const auto& row) { return row.param.name; }
);

}  // namespace
}  // namespace nova::lifecycle

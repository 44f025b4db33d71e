// Walks every state the machine can reach in a hostile world, and proves that it is noticed when
// the machine is broken on purpose.
#include <cstdlib>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lifecycle/explorer.hpp"

namespace nova::lifecycle {

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
    if (seen_.insert(full_key(node)).second) {
        origins_.push_back({current_, std::move(label)});
        queue_.emplace_back(std::move(node), origins_.size() - 1);
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

void Explorer::run(const std::string& first) {
    origins_.push_back({0, "boot"});
    if (first.empty()) {
        apply(Node{}, Booted{}, "boot");
    } else {
        collecting_ = false;
        apply(Node{}, Booted{}, "boot");
        apply(outcome_, Wished{target(first)}, "wish " + first);
        while (!reached(outcome_) && violations_.empty()) {
            Node node = outcome_;
            auto [event, label] = healthy_move(node);
            apply(node, event, "healthy " + label);
        }
        collecting_ = true;
        visit(outcome_, first + " serves");
    }
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

namespace {

// Every state of the worlds with two wishes takes minutes under sanitizers: NOVA_EXPLORE=all walks
// them, every run walks those of one wish in full and the nearest of the others.
std::size_t nearest(std::size_t few = 20'000) {
    return std::getenv("NOVA_EXPLORE") != nullptr ? kAll : few;
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

// From an engine that serves: what another wish can lead to.
TEST(TransitionExplore, KeepsEveryPromiseWhileTwoEnginesRunBesideEachOther) {
    Explorer explorer{PlantedBug::none, {"A", "B"}, nearest(50'000)};
    explorer.run("A");
    print(explorer, "{A, B} from A serving");
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
    std::string first{};
    Supervised supervised = Supervised::no;
};

class TransitionExploreBug : public testing::TestWithParam<Planted> {};

TEST_P(TransitionExploreBug, IsCaught) {
    Explorer explorer{GetParam().bug, {"", "A", "B"}, kAll, GetParam().supervised};
    explorer.run(GetParam().first);
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
        Planted{PlantedBug::admission_ignored, "AdmissionIgnored", "A"},
        Planted{PlantedBug::candidate_open_before_loaded, "CandidateOpenBeforeLoaded", "A"},
        Planted{PlantedBug::old_side_stopped_before_the_move, "OldSideStoppedBeforeTheMove", "A"},
        Planted{PlantedBug::old_side_stopped_without_drain, "OldSideStoppedWithoutDrain", "A"},
        Planted{PlantedBug::failed_candidate_forgotten, "FailedCandidateForgotten", "A"},
        Planted{
            PlantedBug::failed_candidate_closes_the_old_side, "FailedCandidateClosesTheOldSide", "A"
        },
        Planted{PlantedBug::parks_with_lease, "ParksWithLease", {}, Supervised::yes},
        Planted{PlantedBug::strike_despite_work, "StrikeDespiteWork", {}, Supervised::yes},
        Planted{PlantedBug::wake_lost, "WakeLost", {}, Supervised::yes}
    ),
    [](const auto& row) { return row.param.name; }
);

}  // namespace
}  // namespace nova::lifecycle

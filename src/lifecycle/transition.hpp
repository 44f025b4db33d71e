// The machine of a slot: a pure function. An event is folded into the facts, then one rule compares
// what is wanted with what is and asks for the next step. Nothing else decides anything.
//
//   boot ─► recovering: list what is ours ─► keep the instance of the wanted host, sweep the rest
//
//   lane 1 (one work at a time)                                    lane 2           probes
//
//   stopped ─wish─► pulling ─prepared─► starting ─ready, loaded,   prepare runs     every 100 ms
//                      ▲                   │       published─► ready  beside the       while
//                      starting, │                   │ limit, exit,       │     old side:       30
//                      s while │                   │ load failed        │     weights, ready; three
//                      │                   ▼                    │     plan, image     strikes
//                  backing_off ◄─┐      stopping ◄── draining ◄─┘
//                                │         │  closed (acknowledged), drained or 15 s, cut
//        not terminal: 0/30/60/120 s       │
//                                └── gone ─┤ the wanted spec failed by itself:
//                                          │   an open wish with a proven wish before it: roll back
//              failed ◄── terminal ────────┤   else back off, or give up
//                                          └ another one is wanted: ─► pulling/starting, stopped
//
// - Preparing comes first: while another instance serves, the phase stays ready until the wanted
//   side is prepared. `pulling` is a phase only when nothing serves.
// - Blue-green: prepared beside what serves, the machine asks whether memory admits both. If so,
// lane
//   1 does not close anything:
//
//     running A serves ─admitted─► candidate B: start ─ready, loaded─► one publication: A ─► B
//                                      │ limit, exit, not wanted           │ acknowledged
//                                      ▼                                   ▼
//                       B stopped, A never closed                 retiring A: drain, cut, stop
//
//   A is wanted again meanwhile: candidate B goes, or retiring A becomes the candidate again.
// - Found after a restart and not wanted any more, an instance serves until the wanted one is
//   prepared, too.
// - The same host wanted again while draining opens again without a restart. An instance of many
//   models changes its model by load ─► publish, without closing.
// - Roll-back and cancel rewrite `desired` in the step that gives the outcome.
// - Idle for long enough: closed ─► drained for a second ─► nobody inside: `parked`, stopped. What
//   is wanted stays; a request or a start takes the fact away. Somebody inside: opened again.
// - Stopping never ends by failing: it is tried again with force until the instance is gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "lifecycle/backend_event.hpp"
#include "lifecycle/planted_bug.hpp"

namespace nova::lifecycle {

// ---------------------------------------------------------------- what the machine asks for

struct ListOwned {};

struct SweepStrays {
    std::optional<std::size_t> keep;  // index into the list
};

struct Prepare {
    Target target;
};

struct CancelPreparation {};

// May the target's instance start beside the one that serves? Memory as it is now, and the
// strategy.
struct Admit {
    Target target;
};

struct Start {
    Target target;
    Generation generation;
};

struct Probe {
    Generation generation;
};

// Makes the target's model answer and reads the list of models.
struct Load {
    Target target;
    Generation generation;
};

// Frees the memory of a model that is published no longer; nothing waits for it.
struct Unload {
    SpecHash spec;
    Generation generation;
};

struct PublishOpen {
    Target target;
    Generation generation;
};

struct PublishClosed {};

struct Drain {
    Generation generation;
    TimePoint deadline;
};

struct Cut {
    Generation generation;
};

struct Stop {
    enum class Why : std::uint8_t { not_wanted, broken };
    Generation generation;
    bool force = false;
    Why why = Why::not_wanted;
};

// The work in lane one shall end early; it still reports its end.
struct CancelWork {};

struct OpenOperation {
    Generation generation;
    WishKind kind = WishKind::start;
};

// Has anybody asked for something since the last look? Answered by UseSeen.
struct LookForUse {
    Generation generation;
};

struct FinishOperation {
    Generation generation;
    OperationState outcome = OperationState::succeeded;
    std::optional<Failure> failure;
};

using Effect = std::variant<
    ListOwned, SweepStrays, Prepare, CancelPreparation, Admit, Start, Probe, Load, Unload,
    PublishOpen, PublishClosed, Drain, Cut, Stop, CancelWork, OpenOperation, FinishOperation,
    LookForUse>;

// contract.md 4; each a setting.
struct LifecyclePolicy {
    std::chrono::nanoseconds start_limit = std::chrono::seconds{120};
    std::chrono::nanoseconds drain = std::chrono::seconds{15};
    std::chrono::nanoseconds probe_interval = std::chrono::seconds{30};
    std::chrono::nanoseconds starting_probe_interval = std::chrono::milliseconds{50};
    std::chrono::nanoseconds retry_pause = std::chrono::seconds{1};
    std::chrono::nanoseconds forget_after = std::chrono::minutes{5};
    std::uint32_t strikes = 3;
    // Without progress for this long a load has stalled; never before its start limit.
    std::chrono::nanoseconds stall_limit = std::chrono::seconds{60};
    std::chrono::nanoseconds probe_limit = std::chrono::seconds{5};
    std::chrono::nanoseconds busy_doubt = std::chrono::minutes{10};  // decisions.md 2.24
    std::chrono::nanoseconds canary_interval{};                      // zero: off
    std::chrono::nanoseconds canary_limit = std::chrono::seconds{30};
    std::chrono::nanoseconds idle_unload{};  // zero: off
    std::chrono::nanoseconds idle_look = std::chrono::seconds{10};
    std::chrono::nanoseconds backoff_unit = std::chrono::seconds{1};  // tests shorten it
    PlantedBug bug = PlantedBug::none;
};

struct Step {
    BackendState state;
    std::vector<Effect> effects;
};

Step transition(
    BackendState state, const Event& event, TimePoint now, const LifecyclePolicy& policy
);

// What of a state a new nova starts from: the wishes; everything about the world is looked up.
BackendState after_restart(const BackendState& recorded);

// When a Tick is due; empty: nothing to wait for but events.
std::optional<TimePoint> next_wake(const BackendState& state, const LifecyclePolicy& policy);

}  // namespace nova::lifecycle

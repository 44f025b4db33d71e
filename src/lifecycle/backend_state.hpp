// What a slot's machine knows. Read this file first, then the drawing in transition.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/clock.hpp"
#include "core/strong.hpp"
#include "lifecycle/backend_control.hpp"
#include "lifecycle/operation.hpp"

namespace nova::lifecycle {

// A wish as far as decisions go: two hashes. The controller keeps the BackendSpec behind them.
struct Target {
    SpecHash spec;          // the whole wish
    SpecHash host;          // without the model where one instance serves many (decisions.md 2.7)
    Generation generation;  // of the wish
    Strategy strategy = Strategy::automatic;

    bool operator==(const Target&) const = default;
};

struct Failure {
    bool terminal = false;  // trying the same again cannot help
    OperationError error;
};

// An instance: from the moment its start is asked for until it is proven gone.
struct Running {
    Target target;          // what it was started for; follows a load
    Generation generation;  // of the instance, unique per start
    bool adopted = false;   // found after a restart of nova
    bool up = false;        // the start returned
    bool ready = false;     // a probe said so
    bool gone = false;      // it ended by itself; what is left of it still has to be swept
    bool drained = true;    // no request can be on it: never opened, or drained or cut since closed
    bool proven = false;    // traffic was open on it
    std::optional<SpecHash> loaded;  // spec whose model answers
    std::optional<SpecHash> unused;  // loaded before that; freed once the new one is published
    std::optional<Failure> broken;   // why it has to go although it may be wanted
    std::uint32_t stop_failures = 0;
    TimePoint start_deadline{};
    std::chrono::nanoseconds start_limit{};
    std::chrono::nanoseconds stall_limit{};    // what each sign of progress buys
    std::optional<TimePoint> progressed_at{};  // last sign of the start or load that goes on
    std::optional<double> progress{};          // 0..1, as told last
    bool hung = false;                         // it will not heed a polite signal
    TimePoint probe_at{};                      // of a candidate; the running one's is in the state
    bool probed = false;                       // a candidate's probe is out
};

// How the open wish is carried out while another instance serves. No value: not decided yet.
struct Way {
    Generation wish;
    bool beside = false;  // blue-green: the new one starts before the old one leaves
};

enum class WishKind : std::uint8_t { start, stop, switch_over };

struct OpenWish {
    Generation generation;
    WishKind kind = WishKind::start;
};

// What the gateway was told last. unsure: a publication was asked for and not acknowledged.
enum class Traffic : std::uint8_t { closed, unsure, open };

// The main lane does one of these at a time; preparing and probing have lanes of their own.
enum class Work : std::uint8_t {
    none,
    list,
    sweep,
    admit,
    start,
    load,
    publish_open,
    publish_closed,
    drain,
    cut,
    stop
};

struct BackendState {
    // ---- facts that survive nova (backend_record.hpp)
    std::optional<Target> desired;
    std::optional<Target> before;     // proven wish to come back to when the new one fails
    std::optional<Target> last_good;  // the last one that became ready
    std::optional<OpenWish> wish;     // an accepted operation without an outcome yet
    std::uint64_t counter = 0;        // last generation given out
    bool parked = false;  // idle and put away; what is desired stays (decisions.md 2.23)
    // ---- facts about the world; found out again after a restart
    std::optional<Running> running;    // traffic is on this one or on none
    std::optional<Running> candidate;  // comes up beside it and takes the traffic over, or goes
    std::optional<Running> retiring;   // had the traffic before; at most one of these two exists
    std::optional<Way> way;
    std::optional<SpecHash> prepared;  // weights, image and plan are there
    std::optional<Target> preparing;   // lane two
    bool cancelling_preparation = false;
    bool listed = false;                       // the driver told what is ours
    bool strays = false;                       // something of ours runs that nobody wants
    std::optional<std::size_t> adopted_index;  // which of the listed ones is kept
    Traffic traffic = Traffic::closed;
    SpecHash published;  // spec whose models the open view names
    Phase phase = Phase::recovering;
    // ---- lane one and the probes
    Work busy = Work::none;
    bool cancelling = false;            // the work was asked to end early
    bool timed_out = false;             // because its time ran out
    std::optional<Generation> subject;  // instance the work is about
    std::optional<Target> loading;      // target of a load in flight
    std::optional<Generation> probing;  // instance a probe is out for
    // ---- healing
    std::uint32_t attempts = 0;    // failures of the wanted spec in a row
    bool row_began_ready = false;  // the first of them was that of a ready backend
    std::uint32_t strikes = 0;
    std::optional<TimePoint> doubted_since;  // first bad look since the last good one
    bool given_up = false;                   // terminal: only a new wish helps
    std::optional<Failure> error;
    bool leaving = false;  // nova is going away and takes the instance along
    // ---- idleness
    bool parking = false;      // closing, to be sure that nobody is inside
    bool brief_drain = false;  // the drain in flight is a parking one: nothing may be cut after it
    TimePoint used_at{};
    TimePoint next_use_look_at{};
    // ---- times
    TimePoint pause_until{};  // after a failed list, sweep, stop or publication
    std::optional<TimePoint> retry_at;
    TimePoint next_probe_at{};
    TimePoint load_deadline{};
    std::optional<TimePoint> ready_since;
};

}  // namespace nova::lifecycle

// Is it dead, stalled or only busy? Pure: what was seen of an instance, and what follows from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/transition.hpp"

namespace nova::lifecycle {

// What an instance has done so far, as far as it shows; compared from one look to the next
// (decisions.md 2.24). CPU time is not in it: an engine that hangs may spin.
struct Footprint {
    Generation generation;
    std::uint64_t bytes = 0;                  // relayed from it to clients
    std::optional<std::size_t> log{};         // changes with every new line of its log
    std::optional<std::uint64_t> counters{};  // tokens and the like, as the engine counts them
};

// How a look at a ready instance went wrong.
enum class BadLook : std::uint8_t {
    silent,    // no answer in time, or no connection
    answered,  // with an error: its access log may have grown by that alone
    canary     // a trial completion did not end: it wrote lines and counted tokens itself
};

bool worked_between(const Footprint& before, const Footprint& now, BadLook how);

// What a ready instance has against it.
struct Doubt {
    std::uint32_t strikes = 0;
    std::optional<TimePoint> since;  // first bad look since the last good one

    bool operator==(const Doubt&) const = default;
};

// A bad look counts unless work was seen; the benefit of the doubt ends after policy.busy_doubt.
Doubt after_bad_look(Doubt doubt, bool worked, TimePoint now, const LifecyclePolicy& policy);

// Why an instance with these strikes is taken away.
Failure unresponsive(const Doubt& doubt, TimePoint now, const LifecyclePolicy& policy);
// Why one that is not ready at its deadline is: a stall where progress had been seen.
Failure not_ready_in_time(const Running& running, TimePoint now);

// How often it is looked whether somebody uses an engine: often enough to stop it about in time.
std::chrono::nanoseconds idle_look_for(std::chrono::nanoseconds idle_unload);

// The last line of the log that tells of loading; empty: none. A row of dots that is being drawn
// counts, and so does what a progress bar wrote over itself.
std::string loading_line(std::string_view log, const std::vector<std::string>& fragments);
// "load_tensors: 60 % of 4 GiB" is 0.6.
std::optional<double> share_in(std::string_view line);

}  // namespace nova::lifecycle

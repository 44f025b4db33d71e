// Mistakes that can be planted, to prove that they would be noticed.
#pragma once

#include <cstdint>

namespace nova::lifecycle {

// Mistakes for tests: each has to be found by the explorer or by the simulation.
enum class PlantedBug : std::uint8_t {
    none,
    stop_without_drain,
    open_before_loaded,
    failed_stop_counts_as_gone,
    own_stop_counts_as_failure,
    supersede_forgets_outcome,
    skip_recovery,
    retry_timer_lost,
    exit_leaves_traffic_open,
    admission_ignored,
    candidate_open_before_loaded,
    old_side_stopped_before_the_move,
    old_side_stopped_without_drain,
    failed_candidate_forgotten,
    failed_candidate_closes_the_old_side,
    parks_with_lease,
    strike_despite_work,
    wake_lost,
    doubt_without_end,
    // Found by nova-sim: of the machine,
    strikes_never_forgotten,
    no_back_off,
    cancel_keeps_desired,
    roll_back_keeps_desired,
    drain_forgets_cut,
    strays_left,
    outcome_twice,
    // of the controller,
    outcome_beside_record,
    events_before_commit,
    accepted_before_commit,
    record_forgets_wish,
    spawn_before_intent,
    away_means_nothing,
    canary_counts_as_use,
    // of the gateway that the simulation puts around it.
    one_acknowledgement,
    lease_not_taken,
};

}  // namespace nova::lifecycle

// Decide: one rule that looks at the facts alone.
#include "lifecycle/transition.hpp"

#include <algorithm>
#include <utility>

#include "lifecycle/supervision.hpp"
#include "lifecycle/transition_machine.hpp"

namespace nova::lifecycle {

// ---------------------------------------------------------------- deciding

void Machine::check_deadlines() {
    if (now_ >= s_.pause_until) {
        s_.pause_until = {};
    }
    if (s_.retry_at && now_ >= *s_.retry_at && policy_.bug != PlantedBug::retry_timer_lost) {
        s_.retry_at.reset();
    }
    if (s_.attempts > 0 && serving() && s_.ready_since &&
        now_ >= *s_.ready_since + policy_.forget_after) {
        s_.attempts = 0;
        s_.row_began_ready = false;
    }
    check_candidate();
    if (!s_.running || s_.running->gone || s_.running->broken || !s_.running->up) {
        return;
    }
    if (!s_.running->ready && now_ >= s_.running->start_deadline) {
        break_instance(not_ready_in_time(*s_.running, now_));
    }
    if (s_.busy == Work::load && now_ >= s_.load_deadline && !s_.cancelling) {
        cancel_work();
        s_.timed_out = true;
    }
}

// Whether the instance that runs has to be stopped now.
bool Machine::has_to_go() const {
    const Running& running = *s_.running;
    const auto wanted = goal();
    // While waiting to try again, or given up, nothing is kept that is not what was asked for.
    if (running.broken || running.gone || !wanted || s_.parking || waiting_to_retry()) {
        return true;
    }
    if (wanted->host == running.target.host) {
        return false;
    }
    // The old side serves until the new one is prepared, or has taken over.
    return serving() ? s_.prepared == wanted->spec && drain_chosen(*wanted) : !resuming();
}

void Machine::decide() {
    if (s_.running && goal() && s_.running->target.spec == goal()->spec && !s_.running->broken) {
        s_.running->target = *goal();
    }
    sort_instances();
    if (s_.busy != Work::none) {
        interrupt_useless_work();
    } else if (now_ >= s_.pause_until) {
        next_work();
    }
    steer_preparation();
    steer_probe();
    steer_candidate_probe();
    steer_use();
    s_.phase = phase_now();
}

void Machine::interrupt_useless_work() {
    const Running* one = subject();
    const bool other = one != nullptr && (!s_.running || one != &*s_.running);
    const auto wanted = goal();
    if (s_.busy == Work::admit &&
        (!serving() || !wanted || wanted->host == s_.running->target.host || has_to_go())) {
        cancel_work();
    }
    if (one == nullptr) {
        return;
    }
    const bool leaves = !other                          ? has_to_go()
                        : is_candidate(one->generation) ? candidate_has_to_go()
                                                        : true;
    const bool in_the_way = other && has_to_close();
    if (s_.busy == Work::drain && (one->gone || !leaves || in_the_way)) {
        cancel_work();
    }
    const bool useless = !wanted || !s_.loading ||
                         s_.loading->spec != (resuming() && !other ? one->target : *wanted).spec;
    if (s_.busy == Work::load && (leaves || in_the_way || useless)) {
        cancel_work();
    }
}

void Machine::next_work() {
    if (!s_.listed) {
        begin(Work::list, ListOwned{});
        return;
    }
    if (s_.strays) {
        begin(Work::sweep, SweepStrays{s_.adopted_index});
        return;
    }
    const auto wanted = goal();
    if (s_.running && has_to_close()) {
        tear_down();
        return;
    }
    if (s_.running && !has_to_go()) {
        if (resuming()) {
            bring_up(s_.running->target);
        } else if (wanted->host == s_.running->target.host) {
            bring_up(*wanted);
        }
        if (s_.busy != Work::none) {
            return;
        }
    }
    if (s_.retiring) {
        take_away(*s_.retiring);
        return;
    }
    if (s_.candidate && work_on_candidate()) {
        return;
    }
    if (s_.running) {
        if (has_to_go()) {
            tear_down();
        } else if (!s_.candidate && wanted->host != s_.running->target.host) {
            switch_over(*wanted);
        }
        return;
    }
    if (s_.traffic != Traffic::closed) {
        begin(Work::publish_closed, PublishClosed{});
        s_.traffic = Traffic::unsure;
        return;
    }
    if (!wanted) {
        if (!s_.leaving) {
            finish(OperationState::succeeded, std::nullopt);
        }
        return;
    }
    if (!waiting_to_retry() && s_.prepared == wanted->spec) {
        start_instance(*wanted);
    }
}

void Machine::start_instance(const Target& target) {
    const Generation generation = next_generation();
    s_.running = Running{
        .target = target, .generation = generation, .loaded = {}, .unused = {}, .broken = {}
    };
    good_look();
    begin(Work::start, Start{.target = target, .generation = generation}, generation);
}

void Machine::bring_up(const Target& target) {
    Running& running = *s_.running;
    if (!running.ready) {
        return;
    }
    const bool early =
        policy_.bug == PlantedBug::open_before_loaded ||
        (policy_.bug == PlantedBug::candidate_open_before_loaded && s_.retiring.has_value());
    if (running.loaded != target.spec && !early) {
        if (s_.traffic == Traffic::unsure) {  // the last publication failed: be sure first
            begin(Work::publish_closed, PublishClosed{});
            return;
        }
        // A change of model needs its weights first; the first load of an adopted one does not.
        if (running.target.spec == target.spec || s_.prepared == target.spec) {
            s_.loading = target;
            s_.load_deadline = now_ + running.start_limit;
            running.progressed_at.reset();
            running.progress.reset();
            begin(
                Work::load, Load{.target = target, .generation = running.generation},
                running.generation
            );
        }
        return;
    }
    if (s_.traffic != Traffic::open || s_.published != target.spec) {
        running.drained = false;
        running.target = target;
        s_.published = target.spec;
        s_.traffic = s_.traffic == Traffic::open ? Traffic::open : Traffic::unsure;
        begin(
            Work::publish_open, PublishOpen{.target = target, .generation = running.generation},
            running.generation
        );
        return;
    }
    settle(target);
}

void Machine::settle(const Target& target) {
    s_.running->target = target;
    s_.last_good = target;
    s_.before.reset();
    s_.error.reset();
    finish(OperationState::succeeded, std::nullopt);
}

void Machine::tear_down() {
    Running& running = *s_.running;
    const bool lazy = running.gone && policy_.bug == PlantedBug::exit_leaves_traffic_open;
    if (s_.traffic != Traffic::closed && !lazy) {
        s_.traffic = Traffic::unsure;
        begin(Work::publish_closed, PublishClosed{});
        return;
    }
    take_away(running);
}

Phase Machine::phase_now() const {
    if (!s_.listed || s_.strays) {
        return Phase::recovering;
    }
    if (!s_.running && s_.retiring) {
        return s_.retiring->drained || s_.retiring->gone ? Phase::stopping : Phase::draining;
    }
    if (!s_.running) {
        if (!goal()) {
            return s_.parked && !s_.leaving ? Phase::parked : Phase::stopped;
        }
        if (s_.given_up) {
            return Phase::failed;
        }
        return waiting_to_retry() ? Phase::backing_off : Phase::pulling;
    }
    if (!has_to_go()) {
        return serving() ? Phase::ready : Phase::starting;
    }
    const bool closing = s_.traffic != Traffic::closed || !s_.running->drained;
    const bool stops = s_.busy == Work::stop && s_.subject == s_.running->generation;
    return closing && !stops ? Phase::draining : Phase::stopping;
}

Step transition(
    BackendState state, const Event& event, TimePoint now, const LifecyclePolicy& policy
) {
    Machine machine{std::move(state), now, policy};
    std::visit([&](const auto& happened) { machine.fold(happened); }, event);
    machine.check_deadlines();
    machine.decide();
    return machine.result();
}

BackendState after_restart(const BackendState& recorded) {
    BackendState fresh;
    fresh.desired = recorded.desired;
    fresh.before = recorded.before;
    fresh.last_good = recorded.last_good;
    fresh.wish = recorded.wish;
    fresh.counter = recorded.counter;
    fresh.parked = recorded.parked;
    return fresh;
}

std::optional<TimePoint> next_wake(const BackendState& s, const LifecyclePolicy& policy) {
    std::optional<TimePoint> earliest;
    const auto consider = [&](TimePoint time) {
        earliest = earliest ? std::min(*earliest, time) : time;
    };
    if (s.busy == Work::none && s.pause_until != TimePoint{}) {
        consider(s.pause_until);
    }
    if (s.retry_at && !s.running) {
        consider(*s.retry_at);
    }
    if (policy.idle_unload.count() > 0 && s.phase == Phase::ready && s.busy == Work::none &&
        !s.wish) {
        consider(s.next_use_look_at);
    }
    // While strays are swept the phase does not say whether the adopted one has to go.
    const bool unwanted =
        s.leaving || !s.desired || s.given_up || s.retry_at ||
        (s.running && s.running->target.host != s.desired->host && s.prepared == s.desired->spec);
    const bool going = s.phase == Phase::draining || s.phase == Phase::stopping ||
                       (s.phase == Phase::recovering && unwanted);
    if (s.running && s.running->up && !s.running->gone && !s.running->broken && !going) {
        if (!s.probing || *s.probing != s.running->generation) {
            consider(s.next_probe_at);
        }
        if (!s.running->ready) {
            consider(s.running->start_deadline);
        }
        if (s.busy == Work::load && !s.cancelling) {
            consider(s.load_deadline);
        }
        if (s.attempts > 0 && s.ready_since) {
            consider(*s.ready_since + policy.forget_after);
        }
    }
    if (candidate_comes_up(s)) {
        consider(s.candidate->start_deadline);
        if (!s.candidate->probed) {
            consider(s.candidate->probe_at);
        }
    }
    if (s.busy == Work::load && !s.cancelling && s.candidate &&
        s.subject == s.candidate->generation) {
        consider(s.load_deadline);
    }
    return earliest;
}

}  // namespace nova::lifecycle

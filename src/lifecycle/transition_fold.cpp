// Fold: what each event changes of the facts.
#include <algorithm>
#include <utility>

#include "core/backoff.hpp"
#include "lifecycle/supervision.hpp"
#include "lifecycle/transition_machine.hpp"

namespace nova::lifecycle {

// ---------------------------------------------------------------- wishes

void Machine::fold(const Booted& /*event*/) {
    if (policy_.bug == PlantedBug::skip_recovery) {
        s_.listed = true;
    }
}

void Machine::fold(const Wished& event) {
    const bool same = event.target ? s_.desired && s_.desired->spec == event.target->spec
                                   : !s_.desired.has_value();
    s_.parking = false;
    if (same && !s_.given_up && !s_.retry_at && !s_.parked) {
        return;  // on its way or there already
    }
    // Only what has worked is worth coming back to; an unproven wish hands on what it had itself.
    if (s_.desired && s_.last_good && s_.desired->spec == s_.last_good->spec) {
        s_.before = s_.desired;
    } else if (!s_.wish) {
        s_.before.reset();
    }
    if (s_.wish && policy_.bug != PlantedBug::supersede_forgets_outcome) {
        finish(OperationState::superseded, std::nullopt);
    }
    const bool anew = !s_.desired || (same && s_.parked);
    const WishKind kind = !event.target ? WishKind::stop
                          : anew        ? WishKind::start
                                        : WishKind::switch_over;
    s_.parked = false;
    want(event.target);
    if (s_.before && s_.desired && s_.before->spec == s_.desired->spec) {
        s_.before.reset();
    }
    const Generation generation = s_.desired ? s_.desired->generation : next_generation();
    s_.wish = OpenWish{.generation = generation, .kind = kind};
    effects_.push_back(OpenOperation{.generation = generation, .kind = kind});
}

void Machine::fold(const CancelWished& event) {
    if (!s_.wish || s_.wish->generation != event.generation) {
        return;
    }
    const std::optional<Target> back = s_.before;
    s_.before.reset();
    if (policy_.bug != PlantedBug::cancel_keeps_desired) {
        want(back);
    }
    finish(OperationState::cancelled, std::nullopt);
}

void Machine::fold(const Leaving& /*event*/) {
    s_.leaving = true;
    s_.parking = false;
}

// The only place that writes `desired`.
void Machine::want(std::optional<Target> target) {
    s_.desired = std::move(target);
    if (s_.desired) {
        s_.desired->generation = next_generation();
    } else {
        s_.prepared.reset();  // its image or file may be gone by the time it is wanted again
    }
    forget_failures();
}

void Machine::forget_failures() {
    s_.attempts = 0;
    s_.row_began_ready = false;
    s_.given_up = false;
    s_.retry_at.reset();
    s_.error.reset();
}

void Machine::finish(OperationState outcome, std::optional<Failure> failure) {
    if (s_.wish) {
        effects_.push_back(FinishOperation{
            .generation = s_.wish->generation, .outcome = outcome, .failure = std::move(failure)
        });
        if (policy_.bug != PlantedBug::outcome_twice) {
            s_.wish.reset();
        }
    }
}

// The wanted spec failed by itself.
void Machine::fail_wanted(const Failure& failure, bool proven, Tried tried) {
    if (s_.wish && s_.before) {
        const std::optional<Target> back = s_.before;
        // Nothing was touched while it was being prepared: then it merely failed.
        const bool untouched =
            tried == Tried::no && serving() && s_.running->target.spec == back->spec;
        s_.before.reset();
        if (policy_.bug != PlantedBug::roll_back_keeps_desired) {
            want(back);
        }
        s_.error = failure;
        finish(untouched ? OperationState::failed : OperationState::rolled_back, failure);
        return;
    }
    s_.row_began_ready = s_.attempts == 0 ? proven : s_.row_began_ready;
    s_.attempts = std::min(s_.attempts + 1, 100U);
    s_.error = failure;
    s_.prepared.reset();  // what it needs may have gone away: look again
    finish(OperationState::failed, failure);
    // What ran before is tried again whatever its log says: the words may be old.
    if (failure.terminal && !proven) {
        s_.given_up = true;
        return;
    }
    // A ready backend is brought back at once; one that never was ready waits (decisions.md 1.6).
    const auto delay = backoff_delay(s_.row_began_ready ? s_.attempts : s_.attempts + 1);
    s_.retry_at = now_;
    if (policy_.bug != PlantedBug::no_back_off) {
        *s_.retry_at += delay.count() * policy_.backoff_unit;
    }
}

// ---------------------------------------------------------------- recovering

void Machine::fold(const Listed& event) {
    end_work();
    s_.listed = true;
    s_.error.reset();
    s_.adopted_index.reset();
    const auto wanted = goal();
    for (const FoundInstance& found : event.found) {
        s_.counter = std::max(s_.counter, found.generation.value);
    }
    // What is wanted; else what served before it, which goes on until the wanted one is prepared.
    const std::optional<Target>* const order[] = {&wanted, &s_.before, &s_.last_good};
    for (const auto* target : order) {
        for (std::size_t i = 0; i < event.found.size() && wanted && *target; ++i) {
            const FoundInstance& found = event.found[i];
            if (!s_.adopted_index && found.alive && found.host == (*target)->host) {
                s_.adopted_index = i;
                adopt_instance(**target, found.generation);
            }
        }
    }
    s_.strays =
        event.found.size() > (s_.adopted_index ? 1U : 0U) && policy_.bug != PlantedBug::strays_left;
}

void Machine::adopt_instance(const Target& target, Generation generation) {
    s_.running = Running{
        .target = target,
        .generation = generation,
        .adopted = true,
        .up = true,
        .loaded = {},
        .unused = {},
        .broken = {},
        .start_deadline = now_ + policy_.start_limit,
        .start_limit = policy_.start_limit,
        .stall_limit = policy_.stall_limit
    };
    s_.next_probe_at = now_;
}

void Machine::fold(const ListFailed& event) {
    end_work();
    s_.error = event.failure;
    pause();
}

void Machine::fold(const Swept& /*event*/) {
    end_work();
    s_.strays = false;
}

void Machine::fold(const SweepFailed& /*event*/) {
    end_work();
    pause();
}

// ---------------------------------------------------------------- preparing

void Machine::fold(const Prepared& event) {
    s_.preparing.reset();
    s_.cancelling_preparation = false;
    if (s_.desired && s_.desired->spec == event.spec) {
        s_.prepared = event.spec;
    }
}

void Machine::fold(const PrepareFailed& event) {
    const bool own_doing = s_.cancelling_preparation;
    const bool wanted =
        s_.preparing && s_.desired && s_.preparing->generation == s_.desired->generation;
    s_.preparing.reset();
    s_.cancelling_preparation = false;
    if (wanted && !own_doing && !s_.leaving) {
        fail_wanted(event.failure, false);
    }
}

void Machine::steer_preparation() {
    const auto wanted = goal();
    if (s_.preparing) {
        if (!s_.cancelling_preparation && (!wanted || wanted->spec != s_.preparing->spec)) {
            s_.cancelling_preparation = true;
            effects_.push_back(CancelPreparation{});
        }
        return;
    }
    if (!wanted || !s_.listed || waiting_to_retry() || s_.prepared == wanted->spec) {
        return;
    }
    if (s_.candidate && s_.candidate->target.spec == wanted->spec) {
        return;
    }
    // What runs already needs nothing fetched: an adopted engine outlives its file. And what just
    // broke is first taken away and judged.
    if (s_.running && (s_.running->target.generation == wanted->generation ||
                       (s_.running->target.spec == wanted->spec && !s_.running->broken))) {
        return;
    }
    s_.preparing = wanted;
    effects_.push_back(Prepare{*wanted});
}

// ---------------------------------------------------------------- starting and supervising

void Machine::fold(const Started& event) {
    if (s_.busy == Work::start) {
        end_work();
    }
    if (Running* one = instance(event.generation)) {
        one->up = true;
        one->start_limit = std::max(event.start_limit, policy_.start_limit);
        one->stall_limit = std::max(event.stall_limit, policy_.stall_limit);
        one->start_deadline = now_ + one->start_limit;
        one->probe_at = now_;
        s_.next_probe_at = instance_is(event.generation) ? now_ : s_.next_probe_at;
    }
}

void Machine::fold(const StartFailed& event) {
    if (s_.busy == Work::start) {
        end_work();
    }
    if (Running* one = instance(event.generation); one != nullptr && !one->broken) {
        one->broken = event.failure;
    }
}

void Machine::break_instance(Failure failure) {
    if (!s_.running->broken) {
        s_.running->broken = std::move(failure);
    }
    s_.parking = false;
}

void Machine::fold(const Probed& event) {
    if (is(s_.probing, event.generation)) {
        s_.probing.reset();
    }
    if (is_candidate(event.generation)) {
        fold_candidate_probe(event.verdict);
        return;
    }
    if (!instance_is(event.generation) || s_.running->gone || s_.running->broken) {
        return;
    }
    Running& running = *s_.running;
    switch (event.verdict) {
    case Probed::Verdict::ready:
        running.ready = true;
        if (policy_.bug != PlantedBug::strikes_never_forgotten) {
            good_look();
        }
        break;
    case Probed::Verdict::loading:
    case Probed::Verdict::failed:
        if (running.ready) {
            bad_look(event.worked);
        }
        break;
    }
    // Looks begin an interval apart, however long each of them takes.
    s_.next_probe_at = now_ + (running.ready ? policy_.probe_interval -
                                                   std::min(event.took, policy_.probe_interval)
                                             : policy_.starting_probe_interval);
}

void Machine::fold(const Exited& event) {
    Running* one = instance(event.generation);
    if (one == nullptr || one->gone) {
        return;
    }
    one->gone = true;
    one->ready = false;
    if (s_.busy == Work::stop && s_.subject == event.generation && !one->broken) {
        return;  // it was told to
    }
    if (instance_is(event.generation)) {
        break_instance(event.failure);
    } else if (!one->broken) {
        one->broken = event.failure;
    }
}

// Only one that serves: a start, a drain and a stop end by themselves.
void Machine::fold(const Condemned& event) {
    if (instance_is(event.generation) && s_.running->ready && !s_.running->gone) {
        break_instance(event.failure);
    }
}

void Machine::steer_probe() {
    if (!s_.running || !s_.running->up || s_.running->gone || s_.running->broken || has_to_go()) {
        return;
    }
    if (is(s_.probing, s_.running->generation) || now_ < s_.next_probe_at) {
        return;
    }
    s_.probing = s_.running->generation;
    effects_.push_back(Probe{s_.running->generation});
}

// ---------------------------------------------------------------- loading and publishing

void Machine::fold(const Loaded& event) {
    if (s_.busy != Work::load) {
        return;
    }
    Running* one = subject();
    end_work();
    s_.loading.reset();
    if (one != nullptr && !one->gone) {
        one->unused = one->loaded;
        one->loaded = event.spec;
    }
}

void Machine::fold(const LoadFailed& event) {
    if (s_.busy != Work::load) {
        return;
    }
    const bool own_doing = s_.cancelling && !s_.timed_out;
    Running* one = subject();
    const Failure failure =
        s_.timed_out && one != nullptr ? not_ready_in_time(*one, now_) : event.failure;
    const std::optional<Target> target = s_.loading;
    end_work();
    s_.loading.reset();
    if (own_doing || one == nullptr || !target) {
        return;
    }
    if (!instance_is(one->generation)) {
        one->broken = one->broken ? one->broken : failure;
        return;
    }
    const bool still_wanted = s_.desired && s_.desired->spec == target->spec && !s_.leaving;
    // The model that was served before answers on: only the wish failed.
    if (still_wanted && s_.wish && s_.before && s_.before->host == s_.running->target.host &&
        s_.running->loaded == s_.before->spec && !s_.running->broken) {
        s_.running->target = *s_.before;
        fail_wanted(failure, false);
        return;
    }
    break_instance(failure);
}

void Machine::fold(const Published& /*event*/) {
    if (s_.busy == Work::publish_open) {
        s_.traffic = Traffic::open;
        if (s_.running) {
            s_.running->proven = true;
            s_.last_good = s_.running->target;
            // It came up while another one was wanted already: worth coming back to all the same.
            if (s_.wish && s_.desired && !s_.before &&
                s_.desired->spec != s_.running->target.spec) {
                s_.before = s_.running->target;
            }
        }
        if (!s_.ready_since) {
            s_.ready_since = now_;
            s_.used_at = now_;
            s_.next_use_look_at = now_ + policy_.idle_look;
        }
        if (s_.running && s_.running->unused) {
            if (s_.running->unused != s_.running->loaded && !s_.running->broken) {
                effects_.push_back(
                    Unload{.spec = *s_.running->unused, .generation = s_.running->generation}
                );
            }
            s_.running->unused.reset();
        }
    } else if (s_.busy == Work::publish_closed) {
        s_.traffic = Traffic::closed;
        s_.ready_since.reset();
    }
    end_work();
}

void Machine::fold(const PublishFailed& /*event*/) {
    s_.traffic = Traffic::unsure;
    end_work();
    pause();
}

void Machine::fold(const Drained& event) {
    if (s_.busy != Work::drain) {
        return;
    }
    const bool given_up = s_.cancelling;
    Running* one = subject();
    end_work();
    if (given_up || one == nullptr) {
        return;
    }
    if (event.left == 0 || policy_.bug == PlantedBug::drain_forgets_cut) {
        one->drained = true;
    } else if (!still_used()) {
        begin(Work::cut, Cut{one->generation}, one->generation);
    }
}

void Machine::fold(const CutDone& /*event*/) {
    Running* one = subject();
    end_work();
    if (one != nullptr) {
        one->drained = true;
    }
}

// ---------------------------------------------------------------- stopping

void Machine::fold(const Stopped& event) {
    if (s_.busy == Work::stop) {
        end_work();
    }
    if (s_.retiring && s_.retiring->generation == event.generation) {
        s_.retiring.reset();
        return;
    }
    if (is_candidate(event.generation)) {
        const Running was = *s_.candidate;
        s_.candidate.reset();
        candidate_stopped(was, event.reading);
        return;
    }
    if (!instance_is(event.generation)) {
        return;
    }
    const Running was = *s_.running;
    s_.running.reset();
    s_.way.reset();
    good_look();
    const bool own_doing = !was.broken && policy_.bug != PlantedBug::own_stop_counts_as_failure;
    // Another wish, even for the same, starts with a clean record.
    const bool of_this_wish = s_.desired && s_.desired->generation == was.target.generation;
    if (own_doing || !s_.desired || s_.leaving) {
        return;
    }
    if (!of_this_wish && policy_.bug != PlantedBug::own_stop_counts_as_failure) {
        return;
    }
    fail_wanted(event.reading ? *event.reading : was.broken.value_or(Failure{}), was.proven);
}

void Machine::fold(const StopFailed& event) {
    if (s_.busy == Work::stop) {
        end_work();
    }
    if (Running* one = instance(event.generation)) {
        ++one->stop_failures;
    }
    if (instance_is(event.generation) && policy_.bug == PlantedBug::failed_stop_counts_as_gone) {
        s_.running.reset();
        return;
    }
    pause();
}

void Machine::fold(const Tick& /*event*/) {}

}  // namespace nova::lifecycle

// The second instance of a switch (house.md 4a): it comes up beside the one that serves, takes the
// traffic over by one publication, and the old side leaves.
#include <utility>

#include "lifecycle/supervision.hpp"
#include "lifecycle/transition_machine.hpp"

namespace nova::lifecycle {

bool candidate_comes_up(const BackendState& s) {
    return s.candidate && s.candidate->up && !s.candidate->ready && !s.candidate->broken &&
           !s.leaving && s.desired && s.desired->host == s.candidate->target.host && !s.given_up &&
           !s.retry_at;
}

Running* Machine::instance(Generation generation) {
    for (auto* one : {&s_.running, &s_.candidate, &s_.retiring}) {
        if (*one && (*one)->generation == generation) {
            return &**one;
        }
    }
    return nullptr;
}

// Found after a restart although another one is wanted: it serves until that one is prepared.
bool Machine::resuming() const {
    const auto wanted = goal();
    return s_.running && s_.running->adopted && !s_.running->proven && wanted &&
           wanted->host != s_.running->target.host && s_.prepared != wanted->spec;
}

bool Machine::drain_chosen(const Target& wanted) const {
    return s_.way && s_.way->wish == wanted.generation && !s_.way->beside;
}

bool Machine::candidate_has_to_go() const {
    const auto wanted = goal();
    return s_.candidate->broken || !wanted || waiting_to_retry() ||
           wanted->host != s_.candidate->target.host;
}

// Nothing may keep requests from being turned away from an instance that has to go.
bool Machine::has_to_close() const {
    return s_.running && s_.traffic != Traffic::closed && has_to_go();
}

// Gives every instance its role before anything is decided.
void Machine::sort_instances() {
    const auto wanted = goal();
    if (s_.candidate && wanted && s_.candidate->target.spec == wanted->spec &&
        !s_.candidate->broken) {
        s_.candidate->target = *wanted;
    }
    const bool idle = s_.busy == Work::none;
    if (!s_.running && idle && s_.candidate) {
        s_.running = std::exchange(s_.candidate, std::nullopt);
        s_.probing = s_.running->probed ? std::optional{s_.running->generation} : std::nullopt;
        s_.next_probe_at = now_;
        good_look();
        return;
    }
    const bool well = s_.retiring && !s_.retiring->broken && s_.retiring->stop_failures == 0 &&
                      !(s_.busy == Work::stop && s_.subject == s_.retiring->generation);
    if (!well || !wanted || waiting_to_retry()) {
        return;
    }
    if (!s_.running && idle && wanted->host == s_.retiring->target.host) {
        s_.running = std::exchange(s_.retiring, std::nullopt);
        s_.next_probe_at = now_;
    } else if (s_.running && s_.busy != Work::publish_open &&
               wanted->host != s_.running->target.host && s_.retiring->loaded == wanted->spec) {
        // Not while the move to the running one is under way: some workers still admit to this
        // one, and whatever takes requests is running or retiring.
        s_.candidate = std::exchange(s_.retiring, std::nullopt);
        s_.candidate->target = *wanted;
        s_.way = Way{.wish = wanted->generation, .beside = true};
    }
}

void Machine::check_candidate() {
    if (candidate_comes_up(s_) && now_ >= s_.candidate->start_deadline) {
        s_.candidate->broken = not_ready_in_time(*s_.candidate, now_);
    }
}

// Once it is ready it is not asked again: the traffic moves, and then it is probed as running.
void Machine::steer_candidate_probe() {
    if (candidate_comes_up(s_) && !s_.candidate->probed && now_ >= s_.candidate->probe_at) {
        s_.candidate->probed = true;
        effects_.push_back(Probe{s_.candidate->generation});
    }
}

void Machine::fold_candidate_probe(Probed::Verdict verdict) {
    s_.candidate->probed = false;
    s_.candidate->probe_at = now_ + policy_.starting_probe_interval;
    if (verdict == Probed::Verdict::ready && !s_.candidate->broken) {
        s_.candidate->ready = true;
    }
}

void Machine::fold(const Admitted& event) {
    const bool own_doing = s_.cancelling;
    if (s_.busy == Work::admit) {
        end_work();
    }
    if (own_doing || !s_.desired || s_.desired->generation != event.wish || s_.leaving) {
        return;
    }
    if (event.refusal) {
        fail_wanted(*event.refusal, false);
        return;
    }
    const bool beside = event.beside || policy_.bug == PlantedBug::admission_ignored;
    s_.way = Way{.wish = event.wish, .beside = beside};
}

// Another host is wanted, and this one serves.
void Machine::switch_over(const Target& wanted) {
    if (!serving() || s_.prepared != wanted.spec) {
        return;
    }
    if (!s_.way || s_.way->wish != wanted.generation) {
        begin(Work::admit, Admit{wanted});
        return;
    }
    const Generation generation = next_generation();
    s_.candidate = Running{
        .target = wanted, .generation = generation, .loaded = {}, .unused = {}, .broken = {}
    };
    begin(Work::start, Start{.target = wanted, .generation = generation}, generation);
}

// False: nothing to do for lane one right now.
bool Machine::work_on_candidate() {
    Running& candidate = *s_.candidate;
    if (candidate_has_to_go()) {
        if (policy_.bug == PlantedBug::failed_candidate_forgotten) {
            const Running was = *std::exchange(s_.candidate, std::nullopt);
            candidate_stopped(was, std::nullopt);
            return false;
        }
        if (policy_.bug == PlantedBug::failed_candidate_closes_the_old_side &&
            s_.traffic != Traffic::closed) {
            begin(Work::publish_closed, PublishClosed{});
            return true;
        }
        take_away(candidate);
        return true;
    }
    const Target wanted = *goal();
    if (!candidate.ready || !serving()) {
        return false;
    }
    if (candidate.loaded != wanted.spec &&
        policy_.bug != PlantedBug::candidate_open_before_loaded) {
        s_.loading = wanted;
        s_.load_deadline = now_ + candidate.start_limit;
        candidate.progressed_at.reset();
        candidate.progress.reset();
        begin(
            Work::load, Load{.target = wanted, .generation = candidate.generation},
            candidate.generation
        );
        return true;
    }
    move_traffic(wanted);
    return true;
}

// From the moment this is asked for the candidate is the one that serves; the old one is not
// touched before the publication was acknowledged.
void Machine::move_traffic(const Target& target) {
    s_.retiring = std::exchange(s_.running, std::exchange(s_.candidate, std::nullopt));
    good_look();
    s_.next_probe_at = now_ + policy_.probe_interval;
    s_.ready_since.reset();
    s_.published = {};
    s_.way.reset();
    if (policy_.bug == PlantedBug::old_side_stopped_before_the_move) {
        s_.retiring->drained = true;
        take_away(*s_.retiring);
        return;
    }
    bring_up(target);
}

// Traffic is closed for it: what is left on it ends, then it is stopped.
void Machine::take_away(const Running& one) {
    const bool hasty = policy_.bug == PlantedBug::stop_without_drain ||
                       (policy_.bug == PlantedBug::old_side_stopped_without_drain && s_.retiring);
    const bool own = instance_is(one.generation);
    if (!one.drained && !one.gone && !hasty) {
        s_.brief_drain = false;
        const TimePoint deadline = own ? drain_deadline() : now_ + policy_.drain;
        begin(
            Work::drain, Drain{.generation = one.generation, .deadline = deadline}, one.generation
        );
        return;
    }
    if (own) {
        park();
    }
    begin(
        Work::stop,
        Stop{
            .generation = one.generation,
            .force = one.stop_failures > 0 || one.hung,
            .why = one.broken ? Stop::Why::broken : Stop::Why::not_wanted
        },
        one.generation
    );
}

// It had no traffic: nothing else has changed, and what served goes on.
void Machine::candidate_stopped(const Running& was, const std::optional<Failure>& reading) {
    s_.way.reset();
    if (!was.broken || !s_.desired || s_.leaving ||
        s_.desired->generation != was.target.generation) {
        return;
    }
    fail_wanted(reading ? *reading : *was.broken, was.proven, Tried::yes);
}

}  // namespace nova::lifecycle

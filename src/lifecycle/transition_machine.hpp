// The machine behind transition(): facts, and what was asked for so far. Internal to the two files
// that implement it.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "lifecycle/transition.hpp"

namespace nova::lifecycle {

// A candidate that is on its way: probes and its start limit are due.
bool candidate_comes_up(const BackendState& state);

class Machine {
public:
    Machine(BackendState state, TimePoint now, const LifecyclePolicy& policy)
        : s_{std::move(state)}, now_{now}, policy_{policy} {}

    void fold(const Booted& event);
    void fold(const Wished& event);
    void fold(const CancelWished& event);
    void fold(const Leaving& event);
    void fold(const Listed& event);
    void fold(const ListFailed& event);
    void fold(const Swept& event);
    void fold(const SweepFailed& event);
    void fold(const Prepared& event);
    void fold(const PrepareFailed& event);
    void fold(const Admitted& event);
    void fold(const Started& event);
    void fold(const StartFailed& event);
    void fold(const Probed& event);
    void fold(const Progressed& event);
    void fold(const Loaded& event);
    void fold(const LoadFailed& event);
    void fold(const Published& event);
    void fold(const PublishFailed& event);
    void fold(const Drained& event);
    void fold(const CutDone& event);
    void fold(const Exited& event);
    void fold(const Condemned& event);
    void fold(const Stopped& event);
    void fold(const StopFailed& event);
    void fold(const Tick& event);
    void fold(const UseSeen& event);
    void fold(const Woken& event);

    void check_deadlines();
    void decide();

    Step result() { return {std::move(s_), std::move(effects_)}; }

private:
    bool is(const std::optional<Generation>& a, Generation b) const { return a && *a == b; }

    bool instance_is(Generation generation) const {
        return s_.running && s_.running->generation == generation;
    }

    std::optional<Target> goal() const {
        return s_.leaving || s_.parked ? std::nullopt : s_.desired;
    }

    bool serving() const { return s_.running && s_.running->ready && s_.traffic == Traffic::open; }

    bool waiting_to_retry() const { return s_.given_up || (s_.retry_at && now_ < *s_.retry_at); }

    Generation next_generation() { return {++s_.counter}; }

    void begin(Work work, Effect effect, std::optional<Generation> subject = {}) {
        s_.busy = work;
        s_.subject = subject;
        s_.cancelling = false;
        s_.timed_out = false;
        effects_.push_back(std::move(effect));
    }

    void end_work() {
        s_.busy = Work::none;
        s_.subject.reset();
        s_.cancelling = false;
        s_.timed_out = false;
    }

    void pause() { s_.pause_until = now_ + policy_.retry_pause; }

    void cancel_work() {
        if (!s_.cancelling) {
            s_.cancelling = true;
            effects_.push_back(CancelWork{});
        }
    }

    bool has_to_go() const;
    void finish(OperationState outcome, std::optional<Failure> failure);
    void want(std::optional<Target> target);
    void forget_failures();
    enum class Tried : bool { no, yes };
    void fail_wanted(const Failure& failure, bool proven, Tried tried = Tried::no);
    void break_instance(Failure failure);
    void steer_preparation();
    void steer_probe();
    void interrupt_useless_work();
    void next_work();
    void tear_down();
    void start_instance(const Target& target);
    void bring_up(const Target& target);
    void settle(const Target& target);
    Phase phase_now() const;
    void adopt_instance(const Target& target, Generation generation);

    // ---- transition_candidate.cpp
    Running* instance(Generation generation);

    Running* subject() { return s_.subject ? instance(*s_.subject) : nullptr; }

    bool is_candidate(Generation generation) const {
        return s_.candidate && s_.candidate->generation == generation;
    }

    bool resuming() const;
    bool drain_chosen(const Target& wanted) const;
    bool candidate_has_to_go() const;
    bool has_to_close() const;
    void sort_instances();
    void check_candidate();
    void steer_candidate_probe();
    void switch_over(const Target& wanted);
    bool work_on_candidate();
    void move_traffic(const Target& target);
    void take_away(const Running& one);
    void fold_candidate_probe(Probed::Verdict verdict);
    void candidate_stopped(const Running& was, const std::optional<Failure>& reading);

    // ---- supervision.cpp
    void good_look();
    void bad_look(bool worked);
    void steer_use();
    TimePoint drain_deadline();
    bool still_used();
    void park();

    BackendState s_;
    TimePoint now_;
    const LifecyclePolicy& policy_;
    std::vector<Effect> effects_;
};

}  // namespace nova::lifecycle

// Looks at what runs: does loading go on, has it worked since the last look, does anybody use it.
#include <functional>
#include <utility>

#include "lifecycle/backend_controller.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::chrono::seconds kProgressLook{1};
constexpr std::chrono::seconds kCountersLimit{2};
constexpr std::chrono::seconds kListLimit{2};
constexpr Bytes kWorkTail = kib(4);

}  // namespace

// Loading goes on when the engine tells another share, or a line of the log that tells of loading
// is new. Other lines do not count: some engines log every probe.
Task<void> BackendController::notice_progress(Generation generation, std::optional<double> told) {
    const TimePoint now = ports_.clock.now();
    const HeldInstance* one = held_.find(generation);
    if (one == nullptr || now < one->next_progress_look || !one->handle || !one->plan ||
        !*one->plan) {
        co_return;
    }
    held_.of(generation).next_progress_look = now + kProgressLook;
    const std::vector<std::string> fragments = (*one->plan)->loading_progress;
    std::string line = loading_line(co_await tail_of(*one->handle), fragments);
    HeldInstance* still = held_.find(generation);
    const bool new_line = still != nullptr && !line.empty() && line != still->loading_line;
    const bool new_share = still != nullptr && told && told != still->told_share;
    if (!new_line && !new_share) {
        co_return;
    }
    const auto share = told ? told : share_in(line);
    still->loading_line = std::move(line);
    still->told_share = told;
    if (share) {
        note_loading(*share);
    }
    post(Progressed{.generation = generation, .share = share});
}

// ---------------------------------------------------------------- busy or dead

Task<Footprint> BackendController::footprint(Generation generation) {
    Footprint print{.generation = generation};
    print.bytes = ports_.traffic.activity(upstream_id(generation)).bytes;
    const HeldInstance* one = held_.find(generation);
    if (one != nullptr && one->handle) {
        runtime::RuntimeDriver* driver = ports_.drivers(one->handle->runtime);
        const auto tail = co_await driver->log_tail(*one->handle, kWorkTail);
        if (tail) {  // a runtime that cannot read it says nothing about work
            print.log = std::hash<std::string>{}(*tail);
        }
        one = held_.find(generation);  // it may have gone meanwhile
    }
    if (one != nullptr && one->plan && *one->plan &&
        !(*one->plan)->probe.probe.counters_path.empty()) {
        const ProbeTarget target = (*one->plan)->probe;
        const auto limit =
            std::min<std::chrono::nanoseconds>(kCountersLimit, options_.policy.probe_interval / 3);
        print.counters = co_await ports_.client.counters(target, within(limit));
    }
    co_return print;
}

Task<Probed> BackendController::look_closer(Probed look, bool answered) {
    const bool good = look.verdict == Probed::Verdict::ready;
    if (!state_.running || state_.running->generation != look.generation ||
        (!good && !state_.running->ready)) {
        co_return look;
    }
    const Footprint before = footprint_.generation == look.generation
                                 ? footprint_
                                 : Footprint{.generation = look.generation};
    BadLook how = answered ? BadLook::answered : BadLook::silent;
    Footprint now = co_await footprint(look.generation);
    if (good && canary_due(now)) {
        if (co_await canary_fails(now)) {
            look.verdict = Probed::Verdict::failed;
            how = BadLook::canary;
        } else {
            next_canary_at_ = ports_.clock.now() + options_.policy.canary_interval;
            if (options_.policy.bug == PlantedBug::canary_counts_as_use) {
                post(UseSeen{.generation = look.generation, .used = true});
            }
        }
        now = co_await footprint(look.generation);
    }
    look.worked = look.verdict != Probed::Verdict::ready && worked_between(before, now, how);
    footprint_ = now;
    co_return look;
}

// Only where it cannot load anything and nobody waits behind it (decisions.md 2.23).
bool BackendController::canary_due(const Footprint& seen) const {
    const auto& policy = options_.policy;
    const HeldInstance* one = held_.find(seen.generation);
    if (policy.canary_interval.count() <= 0 || ports_.clock.now() < next_canary_at_ ||
        one == nullptr || !one->plan || !*one->plan) {
        return false;
    }
    const Plan& plan = **one->plan;
    return plan.models == engine::ModelsPerInstance::one && !plan.probe.external &&
           !one->models.empty() && state_.phase == Phase::ready && !state_.parking &&
           seen.bytes == footprint_.bytes &&
           ports_.traffic.activity(upstream_id(seen.generation)).leases == 0;
}

// Straight to the engine: the gateway counts no use. A request that came meanwhile may have kept it
// waiting, so that nothing is said then.
Task<bool> BackendController::canary_fails(Footprint seen) {
    const HeldInstance& one = *held_.find(seen.generation);  // canary_due() has found it
    const Plan& plan = **one.plan;
    const bool answered = co_await ports_.client.canary(
        plan.probe, plan.api_base, one.models.front(), within(options_.policy.canary_limit)
    );
    const TrafficActivity activity = ports_.traffic.activity(upstream_id(seen.generation));
    co_return !answered && activity.leases == 0 && activity.bytes == seen.bytes;
}

// ---------------------------------------------------------------- what it serves

// No business of the machine: what is wanted and what runs stay as they are.
Task<void> BackendController::look_for_models() {
    if (!open_view_ || !state_.running) {
        co_return;
    }
    const Generation generation = state_.running->generation;
    const HeldInstance* one = held_.find(generation);
    if (one == nullptr || !one->plan || !*one->plan) {
        co_return;
    }
    const ProbeTarget target = (*one->plan)->probe;
    auto listed = co_await ports_.client.models(target, within(kListLimit));
    HeldInstance* still = held_.find(generation);
    if (!listed || still == nullptr || !open_view_ || open_view_->id != upstream_id(generation) ||
        (listed->ids == open_view_->models && listed->known == open_view_->models_known)) {
        co_return;
    }
    still->models = std::move(listed->ids);
    still->models_known = listed->known;
    open_view_->models = still->models;
    open_view_->models_known = still->models_known;
    models_ = still->models;
    co_await refresh_view();
}

// ---------------------------------------------------------------- idle or in use

void BackendController::look_for_use(Generation generation) {
    const TrafficActivity activity = ports_.traffic.activity(upstream_id(generation));
    // Somebody else's server is not ours to put away.
    const HeldInstance* one = held_.find(generation);
    const bool external = one != nullptr && one->plan && *one->plan && (*one->plan)->probe.external;
    const bool used = external || activity.leases > 0 || activity.bytes != bytes_at_look_;
    bytes_at_look_ = activity.bytes;
    post(UseSeen{.generation = generation, .used = used});
}

void BackendController::condemn(Generation generation, OperationError why) {
    if (!leaving_) {
        post(Condemned{
            .generation = generation, .failure = {.terminal = false, .error = std::move(why)}
        });
    }
}

void BackendController::wake() {
    if (waking_ || leaving_ || (!state_.parked && !state_.parking)) {
        return;
    }
    waking_ = true;
    push(Item{.event = Woken{}, .waiting = {}, .spec = {}, .actor = "wake"});
}

}  // namespace nova::lifecycle

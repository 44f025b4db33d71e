// What is written down in the same commit as a step: the record, operations and events.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "core/random.hpp"
#include "lifecycle/backend_controller.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::size_t kNotesKept = 8;
constexpr std::chrono::seconds kStoreRetry{1};

std::string_view kind_word(WishKind kind) {
    switch (kind) {
    case WishKind::start:
        return "start";
    case WishKind::stop:
        return "stop";
    case WishKind::switch_over:
        return "switch";
    }
    return "";
}

// The phase of an operation an effect begins; empty: none.
std::string_view phase_begun(const Effect& effect) {
    if (std::holds_alternative<Prepare>(effect)) {
        return "weights";
    }
    if (std::holds_alternative<Admit>(effect)) {
        return "strategy";
    }
    if (std::holds_alternative<Drain>(effect)) {
        return "drain";
    }
    if (std::holds_alternative<Stop>(effect)) {
        return "stop";
    }
    if (std::holds_alternative<Start>(effect)) {
        return "create";
    }
    if (std::holds_alternative<Load>(effect)) {
        return "load";
    }
    if (std::holds_alternative<PublishOpen>(effect)) {
        return "route";
    }
    return "";
}

struct PhaseEnd {
    std::string_view id;
    std::string_view state;
};

PhaseEnd phase_ended(const Event& event) {
    if (std::holds_alternative<Prepared>(event)) {
        return {"weights", "succeeded"};
    }
    if (std::holds_alternative<PrepareFailed>(event)) {
        return {"weights", "failed"};
    }
    if (const auto* admitted = std::get_if<Admitted>(&event)) {
        return {"strategy", admitted->refusal ? "failed" : "succeeded"};
    }
    if (std::holds_alternative<Drained>(event)) {
        return {"drain", "succeeded"};
    }
    if (std::holds_alternative<Stopped>(event)) {
        return {"stop", "succeeded"};
    }
    if (std::holds_alternative<StopFailed>(event)) {
        return {"stop", "failed"};
    }
    if (std::holds_alternative<Started>(event)) {
        return {"create", "succeeded"};
    }
    if (std::holds_alternative<StartFailed>(event)) {
        return {"create", "failed"};
    }
    if (std::holds_alternative<Loaded>(event)) {
        return {"load", "succeeded"};
    }
    if (std::holds_alternative<LoadFailed>(event)) {
        return {"load", "failed"};
    }
    if (std::holds_alternative<Published>(event)) {
        return {"route", "succeeded"};
    }
    return {};
}

// What a driver prepares behind the weights.
bool prepared_by_driver(std::string_view phase) {
    return phase == "image" || phase == "program";
}

void end_phases(Operation& operation, std::string_view id, std::string_view state, WallTime now) {
    for (OperationPhase& phase : operation.phases) {
        // Preparing is weights, and then what runs them.
        const bool meant =
            id.empty() || phase.id == id || (id == "weights" && prepared_by_driver(phase.id));
        if (phase.state == "running" && meant) {
            phase.state = state;
            phase.ended_at = now;
            phase.eta_s.reset();
        }
    }
}

// The weights are here, and it is the turn of what runs them; the machine knows both as one step.
void begin_phase_behind_weights(Operation& operation, const std::string& id, WallTime now) {
    const auto weights = std::ranges::find_if(operation.phases, [](const OperationPhase& phase) {
        return phase.id == "weights" && phase.state == "running";
    });
    if (weights == operation.phases.end()) {
        return;
    }
    weights->state = "succeeded";
    weights->ended_at = now;
    weights->eta_s.reset();
    OperationPhase next;
    next.id = id;
    next.state = "running";
    next.started_at = now;
    operation.phases.push_back(std::move(next));
}

}  // namespace

Task<void> BackendController::load_record() {
    for (;;) {
        const auto entry = co_await ports_.store.get({record_key(options_.slot)});
        if (!entry) {
            ports_.log.error("backend.store", {{"error", entry.error().message}});
            if (leaving_ == Leave::at_once) {
                co_return;
            }
            co_await ports_.clock.sleep_for(kStoreRetry);
            continue;
        }
        if (!*entry) {
            co_return;
        }
        const auto json = parse_json((*entry)->json, "the state of the slot");
        auto record = json ? backend_record_from(*json) : Result<BackendRecord>{propagate(json)};
        if (!record) {
            // Wishes are lost, instances are not: what runs is found and swept.
            ports_.log.error("backend.record", {{"error", record.error().message}});
            co_return;
        }
        if (record->operation) {
            const auto row = co_await ports_.store.operation(*record->operation);
            if (!row) {
                ports_.log.error("backend.store", {{"error", row.error().message}});
                if (leaving_ == Leave::at_once) {
                    co_return;
                }
                co_await ports_.clock.sleep_for(kStoreRetry);
                continue;
            }
            if (*row) {
                const auto value = parse_json((*row)->json, "the operation");
                auto operation =
                    value ? operation_from(*value) : Result<Operation>{propagate(value)};
                if (operation) {
                    operation_ = std::move(*operation);
                }
            }
        }
        state_ = after_restart(record->state);
        specs_ = std::move(record->specs);
        notes_ = std::move(record->instances);
        models_ = std::move(record->models);
        last_failure_ = std::move(record->last_failure);
        co_return;
    }
}

// The open operation of the draft, marked as changed.
Operation* BackendController::touch(Draft& draft) {
    const bool any = options_.policy.bug == PlantedBug::outcome_twice;
    return draft.operation && (any || !finished(draft.operation->state)) ? &*draft.operation
                                                                         : nullptr;
}

void BackendController::draft_phase_end(Draft& draft, const Event& event) {
    const PhaseEnd end = phase_ended(event);
    auto sentence = sentences_.extract(std::string{end.id});
    if (Operation* operation = touch(draft); operation != nullptr && !end.id.empty()) {
        for (OperationPhase& phase : operation->phases) {
            if (sentence && phase.id == end.id && phase.state == "running") {
                phase.detail = sentence.mapped();
            }
        }
        end_phases(*operation, end.id, end.state, ports_.clock.wall_now());
        draft.dirty = true;
    }
}

void BackendController::draft_phase_begins(Draft& draft, const std::vector<Effect>& effects) {
    Operation* operation = touch(draft);
    for (const Effect& effect : effects) {
        const std::string_view id = phase_begun(effect);
        if (operation != nullptr && !id.empty()) {
            OperationPhase phase;
            phase.id = id;
            phase.state = "running";
            phase.started_at = ports_.clock.wall_now();
            operation->phases.push_back(std::move(phase));
            draft.dirty = true;
        }
    }
}

// "llamacpp /m.gguf"; empty when the wish behind it is not known any more.
std::string BackendController::title_of(const Target& target) const {
    const auto* spec = spec_of(target.spec);
    if (spec == nullptr) {
        return {};
    }
    return spec->model.value.empty() ? spec->engine.value
                                     : fmt::format("{} {}", spec->engine.value, spec->model.value);
}

// A failure is remembered until a later wish of somebody has succeeded; that a request could wake
// what was parked is no such wish.
void BackendController::draft_last_failure(Draft& draft, const std::vector<Effect>& effects) const {
    const WallTime now = ports_.clock.wall_now();
    if (draft.state.error && !state_.error && draft.state.listed && draft.state.desired) {
        draft.last_failure = LastFailure{
            .at = now,
            .target = title_of(*draft.state.desired),
            .rolled_back = false,
            .error = draft.state.error->error
        };
    }
    for (const Effect& effect : effects) {
        const auto* done = std::get_if<FinishOperation>(&effect);
        if (done == nullptr || !draft.operation) {
            continue;
        }
        if (done->failure) {
            draft.last_failure = LastFailure{
                .at = now,
                .target = draft.operation->target,
                .rolled_back = done->outcome == OperationState::rolled_back,
                .error = done->failure->error
            };
        } else if (done->outcome == OperationState::succeeded && draft.operation->actor != "wake") {
            draft.last_failure.reset();
        }
    }
}

void BackendController::open_operation(
    Draft& draft, const Item& item, const OpenOperation& effect
) {
    Operation operation;
    operation.id = {"op-" + random_hex(8)};
    operation.slot = options_.slot;
    operation.kind = kind_word(effect.kind);
    operation.actor = item.actor;
    operation.state = OperationState::running;
    operation.created_at = ports_.clock.wall_now();
    operation.generation = effect.generation;
    operation.cancellable = true;
    operation.target = draft.state.desired ? title_of(*draft.state.desired) : "";
    operation.cancel_effect =
        draft.state.before ? "What ran before is wanted again." : "Nothing is wanted any more.";
    operation.cancel_effect += " What was downloaded is kept, and gone on with the next time.";
    draft.operation = std::move(operation);
}

void BackendController::draft_operations(
    Draft& draft, const Item& item, const std::vector<Effect>& effects
) {
    for (const Effect& effect : effects) {
        if (const auto* opened = std::get_if<OpenOperation>(&effect)) {
            open_operation(draft, item, *opened);
            draft.opened = true;
            draft.dirty = true;
        } else if (const auto* done = std::get_if<FinishOperation>(&effect)) {
            Operation* operation = touch(draft);
            if (operation == nullptr) {
                continue;
            }
            const bool good = done->outcome == OperationState::succeeded;
            operation->state = done->outcome;
            operation->finished_at = ports_.clock.wall_now();
            operation->cancellable = false;
            end_phases(*operation, "", good ? "succeeded" : "failed", *operation->finished_at);
            if (done->failure) {
                operation->error = done->failure->error;
            }
            keep(draft);
        }
    }
    draft_phase_begins(draft, effects);
    if (draft.dirty && touch(draft) != nullptr) {
        keep(draft);
    }
}

// Into the writes of this step, in the place of an older version that was not stored.
void BackendController::keep(Draft& draft) {
    ++draft.operation->version;
    draft.dirty = false;
    const auto older = std::ranges::find(draft.changed, draft.operation->id, &Operation::id);
    if (older != draft.changed.end()) {
        *older = *draft.operation;
    } else {
        draft.changed.push_back(*draft.operation);
    }
}

BackendRecord BackendController::record_of(const Draft& draft) const {
    BackendRecord record;
    record.state = after_restart(draft.state);
    if (options_.policy.bug == PlantedBug::record_forgets_wish) {
        record.state.wish.reset();
    }
    record.specs = specs_;
    record.instances = notes_;
    record.models = models_;
    record.last_failure = draft.last_failure;
    if (draft.operation && draft.state.wish &&
        draft.operation->generation == draft.state.wish->generation) {
        record.operation = draft.operation->id;
    }
    return record;
}

Json BackendController::state_json(const BackendState& state) const {
    Json out = {
        {"slot", options_.slot.value},
        {"state", word(state.phase)},
        {"phase", name(state.phase)},
        {"backend", "none"},
        {"generation", state.desired ? state.desired->generation.value : state.counter}
    };
    if (state.desired) {
        if (const auto* spec = spec_of(state.desired->spec)) {
            out["backend"] = spec->engine.value;
            out["model"] = spec->model.value;
        }
    }
    if (state.error) {
        out["error"] = {
            {"code", state.error->error.code},
            {"detail", state.error->error.detail},
            {"remedy", state.error->error.remedy}
        };
    }
    return out;
}

void BackendController::draft_writes(Draft& draft) {
    const WallTime now = ports_.clock.wall_now();
    if (notes_.size() > kNotesKept) {
        notes_.erase(notes_.begin(), notes_.end() - kNotesKept);
    }
    draft.record_json = json_text(to_json(record_of(draft)));
    if (draft.record_json != record_json_) {
        draft.writes.push_back(store::PutDocument{
            .key = {record_key(options_.slot)}, .json = draft.record_json, .expect = {}
        });
    }
    const auto add_event = [&](std::string type, std::string json) {
        draft.writes.push_back(store::AppendEvent{.type = type, .json = json, .at = now});
        draft.events.push_back(
            {.id = 0, .type = std::move(type), .json = std::move(json), .at = now}
        );
    };
    for (const Operation& operation : draft.changed) {
        std::string json = json_text(to_json(operation));
        draft.writes.push_back(store::PutOperation{
            .id = operation.id,
            .json = json,
            .created_at = operation.created_at,
            .finished_at = operation.finished_at
        });
        add_event("operation", std::move(json));
    }
    draft.state_json = json_text(state_json(draft.state));
    if (draft.state_json != state_json_) {
        add_event("state", draft.state_json);
    }
}

// One commit for everything a step changes; the other ways to do it are wrong on purpose.
Task<Result<store::Committed>> BackendController::commit(const Draft& draft) {
    if (draft.writes.empty()) {
        co_return store::Committed{};
    }
    if (options_.policy.bug == PlantedBug::events_before_commit) {
        std::ranges::for_each(draft.events, [&](const auto& event) { ports_.feed.publish(event); });
    }
    if (options_.policy.bug != PlantedBug::outcome_beside_record) {
        co_return co_await ports_.store.commit(draft.writes);
    }
    std::vector<store::Write> documents;
    std::vector<store::Write> others;
    for (const store::Write& write : draft.writes) {
        const bool document = std::holds_alternative<store::PutDocument>(write);
        (document ? documents : others).push_back(write);
    }
    auto committed = co_await ports_.store.commit(others);
    if (committed && !documents.empty()) {
        const auto second = co_await ports_.store.commit(documents);
        if (!second) {
            co_return propagate(second);
        }
    }
    co_return committed;
}

void BackendController::note_commit(Draft& draft, const Result<store::Committed>& done) {
    store_behind_ = !done;
    if (!done) {
        unsaved_ = std::move(draft.changed);  // written with the next step, soon
        ports_.log.error("backend.store", {{"error", done.error().message}});
        return;
    }
    record_json_ = std::move(draft.record_json);
    state_json_ = std::move(draft.state_json);
    unsaved_.clear();
    for (std::size_t i = 0; i < draft.events.size(); ++i) {
        if (i < done->event_ids.size()) {
            draft.events[i].id = done->event_ids[i];
        }
        ports_.feed.publish(draft.events[i]);
    }
}

// Called from the weights or a load: kept in memory at once, written at most once a second.
void BackendController::report_progress(
    const std::string& phase, const runtime::Progress& progress
) {
    if (progress.total && progress.total->count > 0) {
        note_loading(
            static_cast<double>(progress.done.count) / static_cast<double>(progress.total->count)
        );
    }
    if (!operation_ || finished(operation_->state)) {
        return;
    }
    if (prepared_by_driver(phase)) {
        begin_phase_behind_weights(*operation_, phase, ports_.clock.wall_now());
    }
    const auto at = std::ranges::find_if(operation_->phases, [&](const OperationPhase& p) {
        return p.id == phase && p.state == "running";
    });
    if (at == operation_->phases.end()) {
        return;
    }
    at->done = progress.done.count;
    at->total = progress.total ? std::optional{progress.total->count} : std::nullopt;
    at->unit = progress.done.count > 0 || progress.total ? "bytes" : "";
    at->detail = progress.detail;
    const TimePoint now = ports_.clock.now();
    rate_.add(operation_->id.value + phase, now, at->done);
    at->rate_per_s = rate_.per_second();
    at->eta_s.reset();
    if (at->rate_per_s && at->total && *at->total >= at->done) {
        at->eta_s = static_cast<double>(*at->total - at->done) / *at->rate_per_s;
    }
    if (now >= next_progress_report_) {
        next_progress_report_ = now + std::chrono::seconds{1};
        operation_dirty_ = true;
        post(Tick{});
    }
}

}  // namespace nova::lifecycle

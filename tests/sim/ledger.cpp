// The promises about operations, the record and events.
#include "ledger.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::sim {

using lifecycle::finished;
using lifecycle::Operation;
using lifecycle::OperationState;

Task<Result<store::Committed>> Ledger::commit(std::vector<store::Write> writes) {
    const auto committed = co_await store.commit(writes);
    if (!committed) {
        co_return committed;
    }
    std::size_t event = 0;
    std::vector<Operation> changed;
    for (const store::Write& write : writes) {
        if (const auto* put = std::get_if<store::PutDocument>(&write)) {
            const auto json = parse_json(put->json, "record");
            auto record = json ? lifecycle::backend_record_from(*json)
                               : Result<lifecycle::BackendRecord>{propagate(json)};
            if (record) {
                record_ = std::move(*record);
            } else {
                violated_("the record can be read again");
            }
        } else if (const auto* row = std::get_if<store::PutOperation>(&write)) {
            const auto json = parse_json(row->json, "operation");
            auto operation =
                json ? lifecycle::operation_from(*json) : Result<Operation>{propagate(json)};
            if (operation) {
                changed.push_back(std::move(*operation));
            } else {
                violated_("an operation can be read again");
            }
        } else if (const auto* appended = std::get_if<store::AppendEvent>(&write)) {
            events_[committed->event_ids.at(event++)] = std::hash<std::string>{}(appended->json);
        }
    }
    latest_written_ = {};
    for (const Operation& operation : changed) {
        latest_written_ = std::max(latest_written_, operation.generation);
    }
    for (const Operation& operation : changed) {
        judge_operation(operation);
    }
    judge_all();
    co_return committed;
}

void Ledger::judge_operation(const Operation& operation) {
    const auto known = operations_.find(operation.id);
    if (known == operations_.end()) {
        if (operation.generation.value <= newest_.value) {
            violated_("generations of operations rise");
        }
        newest_ = operation.generation;
    } else if (finished(known->second.state)) {
        violated_(fmt::format("an outcome is recorded once: {} again", word(known->second.state)));
    } else if (operation.version <= known->second.version) {
        violated_("versions of an operation rise");
    }
    if (finished(operation.state)) {
        open_.erase(operation.id);
        judge_outcome(operation);
    } else {
        open_.insert(operation.id);
    }
    operations_.insert_or_assign(operation.id, operation);
}

void Ledger::judge_outcome(const Operation& operation) {
    const auto& desired = record_.state.desired;
    const bool still = desired && desired->generation == operation.generation;
    switch (operation.state) {
    case OperationState::rolled_back:
    case OperationState::cancelled:
        if (still) {
            violated_(fmt::format("{} rewrites what is wanted", word(operation.state)));
        }
        break;
    case OperationState::succeeded:
        // A later wish may be written down together with an outcome the store has missed; what was
        // parked and woken meanwhile may have an outcome of its own by then.
        if ((operation.kind == "stop" ? desired.has_value() : !still) &&
            latest_written_ <= operation.generation &&
            (!record_.state.wish || record_.state.wish->generation <= operation.generation)) {
            violated_("what succeeded is what is wanted");
        }
        break;
    case OperationState::failed:
        if (!operation.error) {
            violated_("what failed has a cause");
        }
        break;
    case OperationState::queued:
    case OperationState::running:
    case OperationState::cancelling:
    case OperationState::superseded:
        break;
    }
}

void Ledger::judge_all() {
    if (open_.size() > 1) {
        violated_("one operation at a time");
    }
    for (const OperationId& open : open_) {
        if (!record_.state.wish || record_.operation != open) {
            violated_("an open operation stands in the record");
        }
    }
    if (record_.operation && !open_.contains(*record_.operation)) {
        violated_("the operation of the record is open");
    }
}

void Ledger::accepted(const OperationId& operation) {
    if (!operations_.contains(operation)) {
        violated_("202 only after the commit");
    }
}

void Ledger::published(const lifecycle::FeedEvent& event) {
    const auto stored = events_.find(event.id);
    if (stored == events_.end() || stored->second != std::hash<std::string>{}(event.json)) {
        violated_("events are published after their commit");
    }
    if (event.id <= last_event_) {
        violated_("numbers of events rise");
    }
    last_event_ = event.id;
    if (event.type == "state") {
        const auto json = parse_json(event.json, "event");
        last_phase_ = json ? json->value("phase", "") : "";
    }
}

void Ledger::all_finished() {
    if (!open_.empty()) {
        violated_("every accepted operation has an outcome");
    }
}

bool Ledger::intends(Generation instance) const {
    return std::ranges::any_of(record_.instances, [&](const lifecycle::InstanceNote& note) {
        return note.generation == instance;
    });
}

std::optional<OperationState> Ledger::outcome(const OperationId& operation) const {
    const auto at = operations_.find(operation);
    return at == operations_.end() ? std::nullopt : std::optional{at->second.state};
}

}  // namespace nova::sim

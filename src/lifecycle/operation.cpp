// Operations as words and JSON.
#include "lifecycle/operation.hpp"

#include <array>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::lifecycle {
namespace {

constexpr std::array<OperationState, 8> kStates{
    OperationState::queued,     OperationState::running,    OperationState::cancelling,
    OperationState::succeeded,  OperationState::failed,     OperationState::cancelled,
    OperationState::superseded, OperationState::rolled_back
};

// Times are kept exactly and shown readably: milliseconds beside RFC 3339 would be two truths, so
// the text is what is stored.
std::optional<WallTime> time_from(std::string_view text) {
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
    unsigned milli = 0;
    const std::string copy{text};
    if (std::sscanf(
            copy.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u.%3uZ", &year, &month, &day, &hour, &minute,
            &second, &milli
        ) != 7) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{
        std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}
    };
    if (!date.ok()) {
        return std::nullopt;
    }
    return WallTime{
        std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
        std::chrono::seconds{second} + std::chrono::milliseconds{milli}
    };
}

Json to_json(const OperationPhase& phase) {
    Json out = {
        {"id", phase.id},
        {"state", phase.state},
        {"started_at", rfc3339(phase.started_at)},
        {"done", phase.done},
        {"unit", phase.unit}
    };
    if (phase.ended_at) {
        out["ended_at"] = rfc3339(*phase.ended_at);
    }
    // Unknown is left out, never invented.
    if (phase.total) {
        out["total"] = *phase.total;
    }
    if (phase.rate_per_s) {
        out["rate_per_s"] = *phase.rate_per_s;
    }
    if (phase.eta_s) {
        out["eta_s"] = *phase.eta_s;
    }
    if (!phase.detail.empty()) {
        out["detail"] = phase.detail;
    }
    return out;
}

Json to_json(const OperationError& told) {
    Json error = {{"code", told.code}, {"detail", told.detail}};
    if (!told.remedy.empty()) {
        error["remedy"] = told.remedy;
    }
    if (!told.log_excerpt.empty()) {
        error["log_excerpt"] = told.log_excerpt;
    }
    if (!told.failure.empty()) {
        error["failure"] = told.failure;
        error["confidence"] = told.confidence;
    }
    return error;
}

OperationError error_from(const Json& value) {
    JsonReader reader{value, "error"};
    return {
        .code = reader.text("code").value_or(""),
        .detail = reader.text("detail").value_or(""),
        .remedy = reader.text("remedy").value_or(""),
        .log_excerpt = reader.text("log_excerpt").value_or(""),
        .failure = reader.text("failure").value_or(""),
        .confidence = reader.text("confidence").value_or("")
    };
}

OperationPhase phase_from(const Json& value) {
    JsonReader in{value, "phase"};
    OperationPhase phase;
    phase.id = in.text("id").value_or("");
    phase.state = in.text("state").value_or("");
    phase.started_at = time_from(in.text("started_at").value_or("")).value_or(WallTime{});
    if (const auto ended = in.text("ended_at")) {
        phase.ended_at = time_from(*ended);
    }
    phase.done = static_cast<std::uint64_t>(in.integer("done").value_or(0));
    if (const auto total = in.integer("total")) {
        phase.total = static_cast<std::uint64_t>(*total);
    }
    phase.unit = in.text("unit").value_or("");
    phase.rate_per_s = in.number("rate_per_s");
    phase.eta_s = in.number("eta_s");
    phase.detail = in.text("detail").value_or("");
    return phase;
}

}  // namespace

std::string_view word(Strategy strategy) {
    switch (strategy) {
    case Strategy::automatic:
        return "auto";
    case Strategy::drain:
        return "drain";
    case Strategy::blue_green:
        return "blue-green";
    }
    return "";
}

std::optional<Strategy> strategy_from(std::string_view text) {
    for (const Strategy one : {Strategy::automatic, Strategy::drain, Strategy::blue_green}) {
        if (word(one) == text) {
            return one;
        }
    }
    return std::nullopt;
}

std::string_view word(OperationState state) {
    switch (state) {
    case OperationState::queued:
        return "queued";
    case OperationState::running:
        return "running";
    case OperationState::cancelling:
        return "cancelling";
    case OperationState::succeeded:
        return "succeeded";
    case OperationState::failed:
        return "failed";
    case OperationState::cancelled:
        return "cancelled";
    case OperationState::superseded:
        return "superseded";
    case OperationState::rolled_back:
        return "rolled_back";
    }
    return "";
}

std::optional<OperationState> operation_state_from(std::string_view text) {
    for (const OperationState state : kStates) {
        if (word(state) == text) {
            return state;
        }
    }
    return std::nullopt;
}

bool finished(OperationState state) {
    switch (state) {
    case OperationState::queued:
    case OperationState::running:
    case OperationState::cancelling:
        return false;
    case OperationState::succeeded:
    case OperationState::failed:
    case OperationState::cancelled:
    case OperationState::superseded:
    case OperationState::rolled_back:
        return true;
    }
    return false;
}

Json to_json(const LastFailure& failure) {
    return {
        {"at", rfc3339(failure.at)},
        {"target", failure.target},
        {"rolled_back", failure.rolled_back},
        {"error", to_json(failure.error)}
    };
}

std::optional<LastFailure> last_failure_from(const Json& value) {
    JsonReader in{value, "last_failure"};
    const auto at = time_from(in.text("at").value_or(""));
    const Json* error = in.object("error");
    if (!at || error == nullptr) {
        return std::nullopt;
    }
    return LastFailure{
        .at = *at,
        .target = in.text("target").value_or(""),
        .rolled_back = in.boolean("rolled_back").value_or(false),
        .error = error_from(*error)
    };
}

Json to_json(const Operation& operation) {
    Json phases = Json::array();
    for (const OperationPhase& phase : operation.phases) {
        phases.push_back(to_json(phase));
    }
    Json out = {
        {"id", operation.id.value},
        {"slot", operation.slot.value},
        {"kind", operation.kind},
        {"target", operation.target},
        {"actor", operation.actor},
        {"state", word(operation.state)},
        {"created_at", rfc3339(operation.created_at)},
        {"generation", operation.generation.value},
        {"phases", std::move(phases)},
        {"cancellable", operation.cancellable},
        {"version", operation.version}
    };
    if (operation.finished_at) {
        out["finished_at"] = rfc3339(*operation.finished_at);
    }
    if (!operation.cancel_effect.empty()) {
        out["cancel_effect"] = operation.cancel_effect;
    }
    if (operation.error) {
        out["error"] = to_json(*operation.error);
    }
    return out;
}

Result<Operation> operation_from(const Json& value) {
    JsonReader in{value, "operation"};
    Operation operation;
    operation.id.value = in.required_text("id");
    operation.slot.value = in.text("slot").value_or("local");  // those of an older nova have none
    operation.kind = in.required_text("kind");
    operation.target = in.text("target").value_or("");
    operation.actor = in.text("actor").value_or("");
    const auto state = operation_state_from(in.required_text("state"));
    operation.created_at = time_from(in.text("created_at").value_or("")).value_or(WallTime{});
    if (const auto ended = in.text("finished_at")) {
        operation.finished_at = time_from(*ended);
    }
    operation.generation.value = static_cast<std::uint64_t>(in.integer("generation").value_or(0));
    operation.cancellable = in.boolean("cancellable").value_or(false);
    operation.cancel_effect = in.text("cancel_effect").value_or("");
    operation.version = static_cast<std::uint64_t>(in.integer("version").value_or(0));
    if (const Json* phases = in.array("phases")) {
        for (const Json& phase : *phases) {
            operation.phases.push_back(phase_from(phase));
        }
    }
    if (const Json* error = in.object("error")) {
        operation.error = error_from(*error);
    }
    if (in.error()) {
        return fail(*in.error());
    }
    if (!state) {
        return fail(ErrorCode::invalid_argument, "operation.state is not a known word.");
    }
    operation.state = *state;
    return operation;
}

}  // namespace nova::lifecycle

// A server-owned long job as users see it: phases, progress, exactly one outcome.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/strong.hpp"

namespace nova::lifecycle {

// The last five are outcomes (decisions.md 1.2).
enum class OperationState : std::uint8_t {
    queued,
    running,
    cancelling,
    succeeded,
    failed,
    cancelled,
    superseded,
    rolled_back
};

// How a switch replaces one instance by another (house.md 4a). automatic: blue-green when the
// memory that is free admits both, else drain.
enum class Strategy : std::uint8_t { automatic, drain, blue_green };

std::string_view word(Strategy strategy);  // "auto", "drain", "blue-green"
std::optional<Strategy> strategy_from(std::string_view word);

std::string_view word(OperationState state);
std::optional<OperationState> operation_state_from(std::string_view word);
bool finished(OperationState state);

struct OperationPhase {
    // strategy, drain, stop, weights, image or program, create, load, warm-up, route
    std::string id;
    std::string state;  // running, succeeded, failed, skipped
    WallTime started_at{};
    std::optional<WallTime> ended_at;
    std::uint64_t done = 0;
    std::optional<std::uint64_t> total;
    std::string unit;  // bytes, items, "" when it has no measure
    std::optional<double> rate_per_s;
    std::optional<double> eta_s;
    std::string detail;
};

struct OperationError {
    std::string code;    // word
    std::string detail;  // sentence
    std::string remedy;
    std::string log_excerpt;
    std::string failure{};     // id in data/failures.json; empty: not one nova knows
    std::string confidence{};  // high, medium or low, when it is one
};

// What went wrong last, kept until a later wish has succeeded: a roll-back and a restart leave
// nothing else behind.
struct LastFailure {
    WallTime at{};
    std::string target;        // "llamacpp SmolLM2-135M"
    bool rolled_back = false;  // what ran before runs again
    OperationError error;
};

struct Operation {
    OperationId id;
    SlotName slot{"local"};
    std::string kind;    // start, stop, switch, restart, recover
    std::string target;  // "llamacpp SmolLM2-135M"
    std::string actor;   // "cli", "api", "auto-restart"
    OperationState state = OperationState::queued;
    WallTime created_at{};
    std::optional<WallTime> finished_at;
    Generation generation;
    std::vector<OperationPhase> phases;
    bool cancellable = false;
    std::string cancel_effect;
    std::optional<OperationError> error;
    std::uint64_t version = 0;  // rises with every change
};

Json to_json(const LastFailure& failure);
std::optional<LastFailure> last_failure_from(const Json& value);
Json to_json(const Operation& operation);
Result<Operation> operation_from(const Json& value);

}  // namespace nova::lifecycle

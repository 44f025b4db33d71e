// What a step changes, before it is committed and true.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lifecycle/backend_control.hpp"
#include "lifecycle/backend_state.hpp"
#include "lifecycle/operation.hpp"
#include "store/state_store.hpp"

namespace nova::lifecycle {

struct StepDraft {
    BackendState state;
    std::optional<Operation> operation;
    std::vector<Operation> changed;  // operations to write, in order
    bool dirty = false;              // the operation changed and is not among them yet
    bool opened = false;             // it is a new one
    std::optional<LastFailure> last_failure{};
    std::vector<FeedEvent> events{};
    std::vector<store::Write> writes{};
    std::string record_json{};
    std::string state_json{};
};

}  // namespace nova::lifecycle

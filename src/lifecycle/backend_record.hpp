// What a slot leaves in the store, so that a later nova goes on where this one ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "core/secret.hpp"
#include "engine/backend_spec.hpp"
#include "lifecycle/backend_state.hpp"
#include "lifecycle/operation.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::lifecycle {

// An instance whose start was intended and that is not proven gone. Where it is the driver knows;
// what nobody else knows is the key it was started with, and whom to ask when that driver's runtime
// is away.
struct InstanceNote {
    Generation generation;
    SpecHash host;
    Secret api_key;
    runtime::RuntimeKind runtime = runtime::RuntimeKind::process;
};

// The durable part of BackendState with the specs behind its hashes.
struct BackendRecord {
    BackendState state;  // only what after_restart() keeps is written
    std::map<SpecHash, engine::BackendSpec> specs;
    std::vector<InstanceNote> instances;  // newest last
    std::optional<OperationId> operation;
    std::vector<std::string> models;  // the last list served: known names while not ready
    std::optional<LastFailure> last_failure;
};

inline constexpr int kRecordVersion = 1;

// "slot/local/state"
std::string record_key(const SlotName& slot);
Json to_json(const BackendRecord& record);
// Tolerant: a wish that cannot be read any more is left out, the rest is kept. Error: corrupt when
// it is no record at all, unsupported when a newer nova wrote it.
Result<BackendRecord> backend_record_from(const Json& value);

}  // namespace nova::lifecycle

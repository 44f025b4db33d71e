// The control API's routes: reads a request, asks one part of nova, writes the answer.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/strong.hpp"
#include "core/task.hpp"
#include "hardware/hardware_snapshot.hpp"
#include "lifecycle/backend_control.hpp"
#include "net/route_table.hpp"
#include "recovery/admin_auth.hpp"
#include "recovery/dto.hpp"
#include "recovery/event_stream.hpp"
#include "store/state_store.hpp"

namespace nova::recovery {

// Each returns the JSON text of the answer.
struct HardwareAccess {
    std::function<Task<Result<std::string>>()> current;  // not_found before the first detection
    std::function<Task<Result<std::string>>(hardware::Overwrite)> detect;
    std::function<Task<Result<std::string>>()> gpu_stats;  // "[]" without a GPU
};

struct Readiness {
    bool ready = false;
    std::string detail;  // one sentence
};

// What the routes work on; all of it lives on the control thread.
struct RecoveryParts {
    lifecycle::BackendControl& backend;
    store::StateStore& store;
    lifecycle::EventFeed& feed;
    AdminAuth& auth;
    Clock& clock;
    std::function<Task<std::vector<EngineStatus>>()> engines;
    HardwareAccess hardware;
    std::function<Readiness()> readiness;  // decisions.md 2.25: can some route answer
    std::string version;
    EventStreamLimits event_limits{};
    lifecycle::BackendControl* embed = nullptr;  // the slot beside backend's; empty: there is none
    // Why nothing may be started here (mode cloud-only); empty function: everything may.
    std::function<std::optional<Error>()> start_refused{};
    // What the runtime auto means for this engine just now; empty function: it stays auto. Given
    // where the same wish runs already, or "".
    std::function<Task<std::string>(EngineName, std::string)> choose_runtime{};
};

// Registers everything under both bases of contract.md 2. parts must outlive the table.
void add_recovery_routes(net::RouteTable& table, RecoveryParts& parts);

// /health/live and /health/ready below `prefix`; no secret needed, none told.
void add_health_routes(net::RouteTable& table, RecoveryParts& parts, const std::string& prefix);

}  // namespace nova::recovery

// What a controller is made of and how it is told to leave.
#pragma once

#include <functional>
#include <vector>

#include "core/log.hpp"
#include "lifecycle/backend_control.hpp"
#include "lifecycle/memory_port.hpp"
#include "lifecycle/ports.hpp"
#include "lifecycle/transition.hpp"
#include "store/state_store.hpp"

namespace nova::lifecycle {

// All of it must outlive the controller.
struct ControllerPorts {
    DriverTable drivers;
    std::vector<runtime::RuntimeKind> kinds;  // whose instances are looked for after a start
    EngineClient& client;
    Weights& weights;
    TrafficPort& traffic;
    Planner planner;
    // Error unprocessable: no engine of that name.
    std::function<Result<engine::ModelsPerInstance>(const EngineName&)> models_of;
    store::StateStore& store;
    Clock& clock;
    Log& log;
    EventFeed& feed;
    MemoryPort* memory = nullptr;  // none: never two instances
    // Whether the machine can run it, asked before anything is fetched or stopped; may be empty.
    std::function<Task<Result<void>>(engine::BackendSpec, runtime::InstanceSpec)> preflight{};
};

struct ControllerOptions {
    InstallId install;
    SlotName slot{"local"};
    LifecyclePolicy policy{};
    Strategy strategy = Strategy::automatic;  // of wishes that name none
    // Simulations look on: the state before, what happened, what was decided.
    std::function<void(const BackendState&, const Event&, const Step&)> on_step{};
};

// decisions.md 1.8. at_once leaves everything as it is, as a kill would.
enum class Leave : std::uint8_t { stop, keep, at_once };

}  // namespace nova::lifecycle

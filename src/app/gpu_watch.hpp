// Looks at the GPUs while an engine uses them: says what is lost, and has the engine started anew
// where that brings it back.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "app/machine.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "engine/engine_registry.hpp"
#include "hardware/gpu_health.hpp"
#include "lifecycle/backend_controller.hpp"
#include "store/state_store.hpp"

namespace nova::app {

// Control thread only. All references must outlive it.
class GpuWatch {
public:
    struct Parts {
        Clock& clock;
        Log& log;
        std::function<hardware::HardwareSnapshot()> hardware;
        std::function<Task<hardware::GpuReport>()> look;
        std::function<void(const hardware::GpuFinding&)> found;  // whenever it changes
        lifecycle::BackendControl& backend;
        std::function<void(Generation, lifecycle::OperationError)> restart;
        const engine::EngineRegistry& registry;
        store::StateStore& store;
        lifecycle::EventFeed& feed;
        std::chrono::nanoseconds interval{std::chrono::seconds{30}};
    };

    // The usual parts: the machine that nova runs on, and the controller of its chat backend.
    static Parts parts_of(
        Machine& machine, lifecycle::BackendController& controller,
        const engine::EngineRegistry& registry, const lifecycle::ControllerPorts& ports,
        std::chrono::nanoseconds interval
    );

    explicit GpuWatch(Parts parts) : parts_{std::move(parts)} {}

    // Looks for ever, until it is cancelled; costs nothing on a machine without a GPU.
    Task<void> run();

    // One look; the test's way in.
    Task<void> look_once();

    const hardware::GpuFinding& finding() const { return finding_; }

private:
    struct Restart {
        TimePoint at;
        Generation gone;  // the instance that was to go
        hardware::GpuTrouble trouble;
    };

    Task<hardware::EngineUse> use_of(lifecycle::BackendStatus status);
    bool restart_was_tried(hardware::GpuTrouble trouble) const;
    Task<void> publish();

    Parts parts_;
    hardware::GpuFinding finding_;
    Generation looked_for_cpu_{};     // whose log was read
    bool on_cpu_ = false;             // what it said
    std::optional<Restart> restart_;  // the last one
};

}  // namespace nova::app

// One nova: the real controller between its simulated ports.
#pragma once

#include <memory>

#include "core/log.hpp"
#include "core/task_group.hpp"
#include "lifecycle/backend_controller.hpp"
#include "ports.hpp"

namespace nova::sim {

class Life {
public:
    Life(World& world, std::uint64_t number);
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    ~Life();

    void leave(lifecycle::Leave how);
    // Asks, and notes what the answer promises.
    void ask(const WishChoice& choice);
    void ask_to_cancel();
    // A request came to what is parked.
    void wake();
    // kill -9: from now on nothing it does reaches the world.
    void kill();

    bool quiet() const { return tasks_.running() == 0 && users_.running() == 0; }

    bool leaving() const { return leaving_; }

    const lifecycle::BackendState& state() const { return controller.state(); }

    World& world;
    const std::uint64_t number;
    bool dead = false;   // killed
    bool ended = false;  // run() returned

    // What the checks remember of it.
    bool store_failed = false;              // since the record was last written
    std::optional<Generation> started_for;  // wish of the last start
    TimePoint started_at{};
    bool opened_since = false;
    TimePoint idle_since{};  // nothing is under way and nobody is inside

private:
    Task<void> body();
    Task<void> one_wish(lifecycle::Wish wish);
    Task<void> one_cancel();
    lifecycle::ControllerPorts ports();
    std::vector<runtime::RuntimeKind> kinds() const;
    lifecycle::ControllerOptions options();
    Result<lifecycle::Plan> plan(
        const engine::BackendSpec& spec, const engine::ResolvedModel& model,
        const runtime::InstanceIdentity& identity
    );
    void on_step(
        const lifecycle::BackendState& before, const lifecycle::Event& event,
        const lifecycle::Step& step
    );

    LifeClock clock_;
    Log log_{Log::Sink::none, LogLevel::error};
    lifecycle::EventFeed feed_;
    bool leaving_ = false;

public:
    SimRuntime runtime;
    SimRuntime containers;
    SimEngine engine;
    SimWeights weights;
    SimMemory memory;
    SimStore store;
    SimTraffic traffic;
    lifecycle::BackendController controller;

private:
    TaskGroup tasks_;
    TaskGroup users_;
};

}  // namespace nova::sim

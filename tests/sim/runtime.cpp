// A driver of values: starts, exits, stops, and everything that goes wrong with them.
#include <utility>

#include "checks.hpp"
#include "life.hpp"

namespace nova::sim {

using runtime::InstanceHandle;
using std::chrono::seconds;

namespace {

constexpr seconds kBeyondPatience{2000};

std::unexpected<Error> broke(std::string_view what) {
    return fail(ErrorCode::runtime_failed, fmt::format("{} failed.", what));
}

}  // namespace

Task<Result<runtime::Fingerprint>> SimRuntime::fingerprint() {
    co_await life_.world.cross(life_, "runtime.fingerprint");
    const bool away = kind_ == runtime::RuntimeKind::docker && life_.world.during(Act::daemon_away);
    co_return runtime::Fingerprint{.usable = !away, .detail = {}};
}

Task<Result<void>> SimRuntime::prepare(runtime::InstanceSpec /*spec*/, runtime::ProgressSink) {
    const Mishap mishap = co_await life_.world.cross(life_, "runtime.prepare");
    if (mishap == Mishap::fails || life_.world.troubled(Act::daemon_away)) {
        co_return broke("Looking for the program");
    }
    co_return Result<void>{};
}

Task<Result<InstanceHandle>> SimRuntime::start(runtime::InstanceSpec spec) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "runtime.start");
    const bool fails = world.troubled(Act::start_fails) || world.troubled(Act::daemon_away);
    if (mishap == Mishap::fails || fails) {
        co_return broke("Starting");
    }
    const bool hangs = mishap == Mishap::hangs || world.troubled(Act::start_hangs);
    const bool lies = mishap == Mishap::lies || world.troubled(Act::start_lies);
    InstanceHandle handle;
    if (!hangs || world.rng.chance(500)) {
        world.spawn(life_, spec, handle);
    }
    if (hangs) {
        co_await world.clock.sleep_for(kBeyondPatience);
    }
    co_await world.cross(life_, "runtime.started");
    if (lies || hangs) {
        co_return broke("Starting");
    }
    co_return handle;
}

Task<Result<runtime::InstanceStatus>> SimRuntime::inspect(InstanceHandle handle) {
    const Mishap mishap = co_await life_.world.cross(life_, "runtime.inspect");
    if (mishap == Mishap::fails || life_.world.troubled(Act::daemon_away)) {
        co_return broke("Inspecting");
    }
    const auto engine = life_.world.find(handle);
    using State = runtime::InstanceStatus::State;
    co_return runtime::InstanceStatus{
        .state = engine && engine->alive ? State::running : State::gone, .exit = {}
    };
}

Task<Result<runtime::ExitStatus>> SimRuntime::wait(InstanceHandle handle) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "runtime.wait");
    if (mishap == Mishap::fails) {
        co_return broke("Waiting");
    }
    const auto engine = world.find(handle);
    while (engine && engine->alive) {
        if (world.troubled(Act::daemon_away)) {
            co_return broke("Waiting");
        }
        co_await engine->ended.wait();
    }
    co_await world.cross(life_, "runtime.waited");
    runtime::ExitStatus status;
    status.code = 1;
    co_return status;
}

Task<Result<void>> SimRuntime::stop(InstanceHandle handle, Force force) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "runtime.stop");
    const auto engine = world.find(handle);
    if (engine) {
        judge_stop(life_, *engine);
    }
    if (mishap == Mishap::fails || world.troubled(Act::daemon_away)) {
        co_return broke("Stopping");
    }
    const bool hangs = mishap == Mishap::hangs || world.troubled(Act::stop_hangs);
    if (hangs && (force == Force::graceful || world.rng.chance(500))) {
        co_await world.clock.sleep_for(kBeyondPatience);
        co_return broke("Stopping");
    }
    co_await world.clock.sleep_for(world.some(5, 2000));
    if (life_.dead) {
        end_of_life();
    }
    if (engine) {
        world.engine_ends(*engine);
        world.engines.remove(engine);
    }
    co_await world.cross(life_, "runtime.stopped");
    if (mishap == Mishap::lies || world.troubled(Act::stop_lies)) {
        co_return broke("Stopping");
    }
    co_return Result<void>{};
}

Task<Result<std::vector<runtime::OwnedInstance>>> SimRuntime::list_owned(InstallId, SlotName) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "runtime.list");
    if (mishap == Mishap::hangs) {
        co_await world.clock.sleep_for(kBeyondPatience);
    }
    if (mishap == Mishap::fails || world.troubled(Act::daemon_away)) {
        co_return broke("Listing");
    }
    std::vector<runtime::OwnedInstance> owned;
    for (const auto& engine : world.engines) {
        using State = runtime::InstanceStatus::State;
        const State state = engine->alive ? State::running : State::gone;
        if (engine->handle.runtime != kind_) {
            continue;
        }
        owned.push_back({engine->handle, {.state = state, .exit = {}}});
    }
    co_await world.cross(life_, "runtime.listed");
    co_return owned;
}

Task<Result<std::string>> SimRuntime::log_tail(InstanceHandle handle, Bytes) {
    World& world = life_.world;
    const Mishap mishap = co_await world.cross(life_, "runtime.log");
    const auto engine = world.find(handle);
    if (mishap == Mishap::fails || world.troubled(Act::daemon_away) || !engine) {
        co_return broke("Reading the log");
    }
    if (engine->broken) {
        co_return std::string{"loading\ntensor 'x' data is not within the file bounds\n"};
    }
    const TimePoint seen = std::min(world.clock.now(), engine->progress_until);
    const auto done = std::chrono::duration_cast<seconds>(seen - engine->started).count();
    std::string lines = fmt::format("loading: {} s\nall is well\n", done);
    if (world.schedule.evidence == Evidence::log) {
        lines += fmt::format("{} tokens\n", world.work_of(*engine) / std::chrono::milliseconds{10});
    }
    co_return lines;
}

Task<Result<runtime::ExecOutput>>
SimRuntime::exec(InstanceHandle, std::vector<std::string>, Deadline) {
    co_await life_.world.cross(life_, "runtime.exec");
    co_return runtime::ExecOutput{};
}

}  // namespace nova::sim

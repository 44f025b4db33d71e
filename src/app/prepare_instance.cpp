// Started by need, ended by the last who needed it, reaped by its label after a kill.
#include "app/prepare_instance.hpp"

#include <utility>

#include <fmt/format.h>

#include "net/http_client.hpp"

namespace nova::app {
namespace {

constexpr std::string_view kSlot = "prepare";
constexpr std::chrono::seconds kAnswerLimit{60};
constexpr std::chrono::seconds kAskLimit{2};
constexpr std::chrono::milliseconds kAskEvery{100};
constexpr std::chrono::milliseconds kTurnEvery{20};
constexpr Bytes kTail = kib(4);

class Busy {
public:
    explicit Busy(bool& flag) : flag_{flag} { flag_ = true; }

    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

    ~Busy() { flag_ = false; }

private:
    bool& flag_;
};

}  // namespace

PrepareInstance::PrepareInstance(Parts parts) : parts_{std::move(parts)}, tasks_{parts_.executor} {}

// One at a time starts, reaps or ends.
Task<void> PrepareInstance::take_turn() {
    while (busy_) {
        co_await parts_.clock.sleep_for(kTurnEvery);
    }
}

Task<void> PrepareInstance::reap() {
    co_await take_turn();
    const Busy busy{busy_};
    if (reaped_) {
        co_return;
    }
    bool all = true;
    for (const runtime::RuntimeKind kind : parts_.kinds) {
        all = co_await reap_of(*parts_.drivers(kind)) && all;
    }
    reaped_ = all;
}

// False: there may be something left.
Task<bool> PrepareInstance::reap_of(runtime::RuntimeDriver& driver) {
    const auto left = co_await driver.list_owned(parts_.install, SlotName{std::string{kSlot}});
    if (!left) {
        const auto print = co_await driver.fingerprint();
        if (print && !print->usable) {
            co_return true;  // a runtime that is not there runs nothing
        }
        parts_.log.warn("prepare.list", {{"error", left.error().message}});
        co_return false;
    }
    for (const runtime::OwnedInstance& owned : *left) {
        const runtime::InstanceHandle handle = owned.handle;
        const auto stopped = co_await driver.stop(handle, runtime::RuntimeDriver::Force::graceful);
        parts_.log.info("prepare.reaped", {{"name", handle.name}});
        if (!stopped) {
            parts_.log.warn("prepare.reap", {{"error", stopped.error().message}});
            co_return false;
        }
    }
    co_return true;
}

Task<Result<PrepareInstance::Lease>> PrepareInstance::enter() {
    Lease lease{*this};
    co_await reap();
    co_await take_turn();
    const Busy busy{busy_};
    if (handle_) {
        const auto status = co_await driver().inspect(*handle_);
        if (!status || status->state == runtime::InstanceStatus::State::gone) {
            handle_.reset();
        }
    }
    if (!handle_) {
        if (const auto started = co_await start(); !started) {
            co_return propagate(started);
        }
    }
    if (const auto answers = co_await wait_until_it_answers(); !answers) {
        co_return propagate(answers);
    }
    co_return lease;
}

Task<Result<void>> PrepareInstance::start() {
    engine::BackendSpec spec;
    spec.engine = EngineName{"ollama"};
    if (parts_.choose_runtime) {
        spec.runtime = co_await parts_.choose_runtime(spec.engine, {});
    }
    const runtime::InstanceIdentity identity{
        .install = parts_.install,
        .slot = SlotName{std::string{kSlot}},
        .generation = Generation{++starts_},
        .spec = engine::hash_of(spec)
    };
    auto plan = parts_.planner(spec, engine::ResolvedModel{}, identity);
    if (!plan) {
        co_return propagate(plan);
    }
    plan->instance.name = "nova-ollama-prepare";
    runtime::RuntimeDriver* driver = parts_.drivers(plan->instance.runtime);
    const auto prepared = co_await driver->prepare(plan->instance, {});
    if (!prepared) {
        co_return propagate(prepared);
    }
    auto started = co_await driver->start(plan->instance);
    if (!started) {
        co_return propagate(started);
    }
    handle_ = *std::move(started);
    parts_.log.info("prepare.started", {{"endpoint", handle_->endpoint.text()}});
    co_return Result<void>{};
}

Task<Result<void>> PrepareInstance::wait_until_it_answers() {
    const Deadline deadline = Deadline::in(parts_.clock, kAnswerLimit);
    while (true) {
        net::FetchRequest ask{.endpoint = handle_->endpoint, .target = "/api/version"};
        ask.deadline = Deadline::in(parts_.clock, kAskLimit);
        const auto answer = co_await net::fetch(parts_.clock, std::move(ask));
        if (answer && answer->status == 200) {
            co_return Result<void>{};
        }
        const auto status = co_await driver().inspect(*handle_);
        const bool gone = !status || status->state == runtime::InstanceStatus::State::gone;
        if (gone || deadline.passed(parts_.clock)) {
            const auto log = co_await driver().log_tail(*handle_, kTail);
            co_return fail(
                gone ? ErrorCode::runtime_failed : ErrorCode::timeout,
                fmt::format(
                    "The Ollama that was to fetch the model {}.", gone ? "ended" : "does not answer"
                ),
                log ? "Its log ends with: " + parts_.log.redactor().clean(*log)
                    : "Its log is in the folder logs of nova's data."
            );
        }
        co_await parts_.clock.sleep_for(kAskEvery);
    }
}

void PrepareInstance::release() {
    if (--leases_ == 0) {
        tasks_.spawn("end the helper", end());
    }
}

Task<void> PrepareInstance::end() {
    co_await take_turn();
    const Busy busy{busy_};
    if (leases_ > 0 || !handle_) {
        co_return;
    }
    const runtime::InstanceHandle handle = *std::exchange(handle_, std::nullopt);
    const auto stopped = co_await parts_.drivers(handle.runtime)
                             ->stop(handle, runtime::RuntimeDriver::Force::graceful);
    if (!stopped) {
        reaped_ = false;  // the next one finds it by its label
        parts_.log.warn("prepare.stop", {{"error", stopped.error().message}});
    }
}

Task<void> PrepareInstance::leave() {
    co_await end();
    co_await tasks_.join();
}

}  // namespace nova::app

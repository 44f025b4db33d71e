// A machine, an engine, weights and a gateway of plain values, for tests of the controller.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "lifecycle/backend_controller.hpp"
#include "store/memory_store.hpp"

namespace nova::lifecycle {

using runtime::InstanceHandle;

// What runs on the machine; outlives a nova.
struct SimMachine {
    struct Instance {
        InstanceHandle handle;
        bool running = true;
        bool answers = true;
        bool broken = false;
        std::string api_key;
        TimePoint started_at{};
        bool computes = true;          // false: health is fine, completions never end
        bool bad_health = false;       // health answers with an error at once
        Milliseconds health_takes{0};  // before it answers
        std::string log = "all is well\n";
        std::optional<std::uint64_t> counters{};
    };

    std::vector<Instance> instances;
    std::size_t most_at_once = 0;
    bool deaf = false;                       // nothing answers
    bool mute = false;                       // the runtime cannot say whether something runs
    bool away = false;                       // nor is it there at all
    std::vector<std::string> broken_models;  // exit at once, with this log
    std::string broken_log =
        "loading\ntensor 'x' data is not within the file bounds, model is corrupted\n";
    std::uint16_t next_port = 20'000;
    std::chrono::seconds loads_for{0};  // until then health says "loading"
    int stalls_at_percent = 100;        // loading goes no further
    bool tells_of_loading = true;       // in its log

    std::size_t running() const {
        return static_cast<std::size_t>(std::ranges::count_if(instances, [](const Instance& i) {
            return i.running;
        }));
    }
};

class SimRuntime final : public runtime::RuntimeDriver {
public:
    SimRuntime(SimMachine& machine, Clock& clock) : machine_{machine}, clock_{clock} {}

    Task<Result<runtime::Fingerprint>> fingerprint() override {
        co_return runtime::Fingerprint{.usable = !machine_.away, .detail = {}};
    }

    Task<Result<void>> prepare(runtime::InstanceSpec, runtime::ProgressSink progress) override {
        progress({.step = "program", .detail = "/bin/engine", .done = {}, .total = {}});
        co_return Result<void>{};
    }

    Task<Result<InstanceHandle>> start(runtime::InstanceSpec spec) override {
        co_await clock_.sleep_for(Milliseconds{20});
        InstanceHandle handle;
        handle.identity = spec.identity;
        handle.name = spec.name;
        handle.endpoint = {.host = "127.0.0.1", .port = machine_.next_port++, .tls = false};
        const bool broken = std::ranges::find(machine_.broken_models, spec.argv.front()) !=
                            machine_.broken_models.end();
        machine_.instances.push_back(
            {.handle = handle,
             .running = !broken,
             .answers = true,
             .broken = broken,
             .api_key = spec.env["KEY"],
             .started_at = clock_.now()}
        );
        machine_.most_at_once = std::max(machine_.most_at_once, machine_.running());
        co_return handle;
    }

    Task<Result<runtime::InstanceStatus>> inspect(InstanceHandle handle) override {
        const auto* instance = find(handle);
        using State = runtime::InstanceStatus::State;
        co_return runtime::InstanceStatus{
            .state = instance && instance->running ? State::running : State::gone, .exit = {}
        };
    }

    Task<Result<runtime::ExitStatus>> wait(InstanceHandle handle) override {
        if (machine_.mute) {
            co_return fail(ErrorCode::runtime_failed, "The runtime is away.");
        }
        for (const auto* i = find(handle); i != nullptr && i->running; i = find(handle)) {
            co_await clock_.sleep_for(Milliseconds{200});
        }
        runtime::ExitStatus status;
        status.code = 1;
        co_return status;
    }

    Task<Result<void>> stop(InstanceHandle handle, Force) override {
        ++stops;
        co_await clock_.sleep_for(Milliseconds{100});
        std::erase_if(machine_.instances, [&](const auto& i) { return i.handle == handle; });
        co_return Result<void>{};
    }

    Task<Result<std::vector<runtime::OwnedInstance>>> list_owned(InstallId, SlotName) override {
        if (machine_.away) {
            co_return fail(ErrorCode::runtime_failed, "nobody listens at its socket");
        }
        std::vector<runtime::OwnedInstance> owned;
        for (const auto& instance : machine_.instances) {
            using State = runtime::InstanceStatus::State;
            const State state = instance.running ? State::running : State::gone;
            owned.push_back({instance.handle, {.state = state, .exit = {}}});
        }
        co_return owned;
    }

    Task<Result<std::string>> log_tail(InstanceHandle handle, Bytes) override {
        const auto* instance = find(handle);
        if (instance == nullptr) {
            co_return std::string{};
        }
        if (instance->broken) {
            co_return machine_.broken_log;
        }
        co_return instance->log + loading_log(*instance);
    }

    Task<Result<runtime::ExecOutput>>
    exec(InstanceHandle, std::vector<std::string>, Deadline) override {
        co_return runtime::ExecOutput{};
    }

    std::size_t stops = 0;

private:
    std::string loading_log(const SimMachine::Instance& instance) const {
        if (machine_.loads_for.count() == 0 || !machine_.tells_of_loading) {
            return {};
        }
        const auto percent = std::min<std::int64_t>(
            (clock_.now() - instance.started_at) * 100 / machine_.loads_for,
            machine_.stalls_at_percent
        );
        return "load_tensors: " + std::to_string(std::min<std::int64_t>(percent, 100) / 10 * 10) +
               " % of 4 GiB\n";
    }

    const SimMachine::Instance* find(const InstanceHandle& handle) const {
        const auto at =
            std::ranges::find(machine_.instances, handle, &SimMachine::Instance::handle);
        return at == machine_.instances.end() ? nullptr : &*at;
    }

    SimMachine& machine_;
    Clock& clock_;
};

}  // namespace nova::lifecycle

// What answers on the machine of sim_machine.hpp, and where its weights come from.
#pragma once

#include <algorithm>
#include <string>

#include "lifecycle/sim_machine.hpp"

namespace nova::lifecycle {

class SimEngine final : public EngineClient {
public:
    SimEngine(SimMachine& machine, Clock& clock) : machine_{machine}, clock_{clock} {}

    Task<ProbeResult> probe(ProbeTarget target, Deadline deadline) override {
        ++probes;
        for (const auto& instance : machine_.instances) {
            if (instance.handle.endpoint == target.endpoint && instance.running && !machine_.deaf) {
                if (!instance.answers) {
                    co_await clock_.sleep_until(deadline.at);
                    co_return ProbeResult{};
                }
                const TimePoint loaded = instance.started_at + machine_.loads_for;
                if (clock_.now() < loaded || machine_.stalls_at_percent < 100) {
                    co_return ProbeResult{
                        .verdict = ProbeResult::Verdict::loading,
                        .answered = true,
                        .detail = {},
                        .progress = {}
                    };
                }
                if (instance.bad_health) {
                    co_return ProbeResult{.answered = true, .detail = {}, .progress = {}};
                }
                const TimePoint answer_at = clock_.now() + instance.health_takes;
                if (instance.health_takes.count() > 0) {
                    co_await clock_.sleep_until(std::min(answer_at, deadline.at));
                }
                if (answer_at > deadline.at) {
                    co_return ProbeResult{};
                }
                // An adopted engine keeps the key it was started with.
                const bool known =
                    target.auth_header_value.reveal() == "Bearer " + instance.api_key;
                co_return ProbeResult{
                    .verdict = known ? ProbeResult::Verdict::ready : ProbeResult::Verdict::failed,
                    .detail = {},
                    .progress = {}
                };
            }
        }
        co_return ProbeResult{
            .verdict = ProbeResult::Verdict::refused, .detail = {}, .progress = {}
        };
    }

    Task<Result<ServedModels>> models(ProbeTarget, Deadline) override {
        co_return ServedModels{.ids = listed, .known = true};
    }

    Task<Result<void>> load(ProbeTarget, engine::ResolvedModel, runtime::ProgressSink) override {
        co_return Result<void>{};
    }

    Task<Result<void>> unload(ProbeTarget, std::string model, Deadline) override {
        unloaded.push_back(std::move(model));
        co_return Result<void>{};
    }

    Task<std::optional<std::uint64_t>> counters(ProbeTarget target, Deadline) override {
        const auto* instance = at(target.endpoint);
        co_return instance != nullptr ? instance->counters : std::nullopt;
    }

    Task<bool> canary(ProbeTarget target, std::string, std::string, Deadline deadline) override {
        ++canaries;
        const auto* instance = at(target.endpoint);
        if (instance != nullptr && instance->computes) {
            co_return true;
        }
        co_await clock_.sleep_until(deadline.at);
        co_return false;
    }

    std::vector<std::string> listed{"model"};
    std::size_t probes = 0;
    std::size_t canaries = 0;
    std::vector<std::string> unloaded;

private:
    const SimMachine::Instance* at(const Endpoint& endpoint) const {
        for (const auto& instance : machine_.instances) {
            if (instance.handle.endpoint == endpoint) {
                return &instance;
            }
        }
        return nullptr;
    }

    SimMachine& machine_;
    Clock& clock_;
};

class SimWeights final : public Weights {
public:
    explicit SimWeights(Clock& clock) : clock_{clock} {}

    Task<Result<engine::ResolvedModel>>
    ensure(engine::BackendSpec spec, runtime::ProgressSink progress) override {
        progress({.step = "weights", .detail = {}, .done = {1}, .total = Bytes{2}});
        co_await clock_.sleep_for(takes);
        if (spec.model.value == "missing") {
            co_return fail(ErrorCode::not_found, "There is no model missing.", "Choose another.");
        }
        co_return engine::ResolvedModel{.id = spec.model, .path = "/m", .size = {2}};
    }

    Milliseconds takes{50};

private:
    Clock& clock_;
};

}  // namespace nova::lifecycle

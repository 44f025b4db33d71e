// One life of nova in the small world of sim_machine.hpp, in virtual time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "lifecycle/sim_engine.hpp"
#include "lifecycle/sim_memory.hpp"
#include "lifecycle/sim_store.hpp"

namespace nova::lifecycle {

class SimTraffic final : public TrafficPort {
public:
    explicit SimTraffic(Clock& clock) : clock_{clock} {}

    Task<Result<Epoch>> publish(SlotView view) override {
        co_await clock_.sleep_for(Milliseconds{1});
        if (away) {
            co_return fail(ErrorCode::unavailable, "The gateway is away.");
        }
        last = std::move(view);
        history.push_back(last.open ? last.open->id.value : "closed");
        co_return Epoch{++epoch_};
    }

    Task<std::size_t> drained(UpstreamId, Deadline deadline) override {
        const TimePoint slow = clock_.now() + request_takes;
        co_await clock_.sleep_until(std::min(slow, deadline.at));
        co_return slow <= deadline.at ? 0 : 1;
    }

    Task<void> cut(UpstreamId) override {
        ++cuts;
        co_return;
    }

    TrafficActivity activity(const UpstreamId&) const override { return now; }

    TrafficActivity now;
    bool away = false;
    SlotView last;
    std::vector<std::string> history;
    Milliseconds request_takes{5};
    std::size_t cuts = 0;

private:
    Clock& clock_;
    std::uint64_t epoch_ = 0;
};

// One life of nova on a machine and a store that outlive it.
struct Nova {
    asio::io_context& io;
    VirtualClock& clock;
    SimRuntime runtime;
    SimEngine engine;
    SimWeights weights;
    SimMemory memory;
    SimTraffic traffic;
    Log log{Log::Sink::none, LogLevel::debug};
    EventFeed feed;
    BackendController controller;
    TaskGroup tasks;

    Nova(
        asio::io_context& context, VirtualClock& time, SimMachine& machine,
        store::StateStore& store, LifecyclePolicy policy = {}
    )
        : io{context}, clock{time}, runtime{machine, time}, engine{machine, time}, weights{time},
          traffic{time}, controller{context.get_executor(), ports(store), options(policy)},
          tasks{context.get_executor()} {
        tasks.spawn("controller", controller.run());
    }

    ~Nova() {
        controller.leave(Leave::at_once);
        run_for(std::chrono::seconds{1});
    }

    ControllerPorts ports(store::StateStore& store) {
        return {
            .drivers = [this](runtime::RuntimeKind) { return &runtime; },
            .kinds = {runtime::RuntimeKind::process},
            .client = engine,
            .weights = weights,
            .traffic = traffic,
            .planner = plan,
            .models_of = [](const EngineName& name) -> Result<engine::ModelsPerInstance> {
                if (name.value == "unknown") {
                    return fail(ErrorCode::unprocessable, "There is no engine unknown.");
                }
                return name.value == "many" ? engine::ModelsPerInstance::many
                                            : engine::ModelsPerInstance::one;
            },
            .store = store,
            .clock = clock,
            .log = log,
            .feed = feed,
            .memory = &memory
        };
    }

    static ControllerOptions options(const LifecyclePolicy& policy) {
        return {.install = {"sim"}, .policy = policy};
    }

    static Result<Plan> plan(
        const engine::BackendSpec& spec, const engine::ResolvedModel& model,
        const runtime::InstanceIdentity& identity
    ) {
        static std::uint64_t keys = 0;
        Plan plan;
        plan.instance.identity = identity;
        plan.instance.name = "sim";
        plan.instance.argv = {model.id.value};
        plan.api_key = fmt::format("key-{}", ++keys);
        plan.instance.env["KEY"] = plan.api_key;
        plan.probe.auth_header_name = "Authorization";
        plan.probe.auth_header_value = Secret{"Bearer " + plan.api_key};
        plan.models = spec.engine.value == "many" ? engine::ModelsPerInstance::many
                                                  : engine::ModelsPerInstance::one;
        plan.api_base = "/v1";
        plan.loading_progress = {"load_tensors"};
        plan.probe.probe.counters_path = "/metrics";
        return plan;
    }

    // Polls until nobody can go on, jumps to the next sleeper, until the time is over.
    void run_for(std::chrono::nanoseconds time) {
        const TimePoint end = clock.now() + std::chrono::duration_cast<TimePoint::duration>(time);
        for (;;) {
            io.restart();
            while (io.poll() > 0) {
            }
            if (clock.next_wake() > end) {
                clock.advance(end - clock.now());
                io.restart();
                while (io.poll() > 0) {
                }
                return;
            }
            clock.jump_to_next();
        }
    }

    auto want(std::optional<std::string> model, std::optional<Strategy> strategy = {}) {
        std::optional<engine::BackendSpec> spec;
        if (model) {
            spec.emplace();
            const std::size_t slash = model->find('/');
            spec->engine = {slash == std::string::npos ? "one" : model->substr(0, slash)};
            spec->model = {slash == std::string::npos ? *model : model->substr(slash + 1)};
        }
        auto answer = std::make_shared<std::optional<Result<Accepted>>>();
        Wish wish{.spec = std::move(spec), .actor = "test", .strategy = strategy};
        tasks.spawn("want", ask(std::move(wish), answer));
        return answer;
    }

    Task<void> ask(Wish wish, std::shared_ptr<std::optional<Result<Accepted>>> answer) {
        *answer = co_await controller.set_desired(std::move(wish));
    }
};

}  // namespace nova::lifecycle

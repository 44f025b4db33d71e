// The controller in a small world of its own: virtual time, a runtime that can be told to fail, and
// a store that survives the controller.
#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/random.hpp"
#include "lifecycle/backend_controller.hpp"
#include "store/memory_store.hpp"

namespace nova::lifecycle {
namespace {

using runtime::InstanceHandle;

// What runs on the machine; outlives a nova.
struct SimMachine {
    struct Instance {
        InstanceHandle handle;
        bool running = true;
        bool answers = true;
        bool broken = false;
        std::string api_key;
    };

    std::vector<Instance> instances;
    std::size_t most_at_once = 0;
    bool deaf = false;                       // nothing answers
    std::vector<std::string> broken_models;  // exit at once, with a telling log
    std::uint16_t next_port = 20'000;

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
        co_return runtime::Fingerprint{.usable = true, .detail = {}};
    }

    Task<Result<void>> prepare(runtime::InstanceSpec, runtime::ProgressSink) override {
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
             .api_key = spec.env["KEY"]}
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
        co_return std::string{
            instance != nullptr && instance->broken
                ? "loading\ntensor 'x' data is not within the file bounds, model is corrupted\n"
                : "all is well\n"
        };
    }

    Task<Result<runtime::ExecOutput>>
    exec(InstanceHandle, std::vector<std::string>, Deadline) override {
        co_return runtime::ExecOutput{};
    }

    std::size_t stops = 0;

private:
    const SimMachine::Instance* find(const InstanceHandle& handle) const {
        const auto at =
            std::ranges::find(machine_.instances, handle, &SimMachine::Instance::handle);
        return at == machine_.instances.end() ? nullptr : &*at;
    }

    SimMachine& machine_;
    Clock& clock_;
};

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
        co_return ServedModels{.ids = {"model"}, .known = true};
    }

    Task<Result<void>> load(ProbeTarget, engine::ResolvedModel, runtime::ProgressSink) override {
        co_return Result<void>{};
    }

    std::size_t probes = 0;

private:
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

class SimTraffic final : public TrafficPort {
public:
    explicit SimTraffic(Clock& clock) : clock_{clock} {}

    Task<Result<Epoch>> publish(SlotView view) override {
        co_await clock_.sleep_for(Milliseconds{1});
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

    SlotView last;
    std::vector<std::string> history;
    Milliseconds request_takes{5};
    std::size_t cuts = 0;

private:
    Clock& clock_;
    std::uint64_t epoch_ = 0;
};

// Loses its connection when told to.
class FragileStore final : public store::StateStore {
public:
    Task<Result<store::Committed>> commit(std::vector<store::Write> writes) override {
        if (away) {
            co_return fail(ErrorCode::unavailable, "The store is away.");
        }
        co_return co_await inner_.commit(std::move(writes));
    }

    Task<Result<std::optional<store::Entry>>> get(store::Key key) override {
        return inner_.get(std::move(key));
    }

    Task<Result<std::vector<store::Entry>>> list(std::string prefix) override {
        return inner_.list(std::move(prefix));
    }

    Task<Result<std::vector<store::OperationRow>>> operations(std::size_t limit) override {
        return inner_.operations(limit);
    }

    Task<Result<std::optional<store::OperationRow>>> operation(OperationId id) override {
        return inner_.operation(std::move(id));
    }

    Task<Result<std::vector<store::EventRow>>>
    events_after(std::uint64_t id, std::size_t limit) override {
        return inner_.events_after(id, limit);
    }

    Task<Result<std::size_t>> prune(WallTime before) override { return inner_.prune(before); }

    bool away = false;

private:
    store::MemoryStore inner_;
};

// One life of nova on a machine and a store that outlive it.
struct Nova {
    asio::io_context& io;
    VirtualClock& clock;
    SimRuntime runtime;
    SimEngine engine;
    SimWeights weights;
    SimTraffic traffic;
    Log log{Log::Sink::none, LogLevel::debug};
    EventFeed feed;
    BackendController controller;
    TaskGroup tasks;

    Nova(
        asio::io_context& context, VirtualClock& time, SimMachine& machine, store::StateStore& store
    )
        : io{context}, clock{time}, runtime{machine, time}, engine{machine, time}, weights{time},
          traffic{time}, controller{context.get_executor(), ports(store), options()},
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
            .feed = feed
        };
    }

    static ControllerOptions options() {
        ControllerOptions options;
        options.install = {"sim"};
        return options;
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

    std::shared_ptr<std::optional<Result<Accepted>>> want(std::optional<std::string> model) {
        std::optional<engine::BackendSpec> spec;
        if (model) {
            spec.emplace();
            const std::size_t slash = model->find('/');
            spec->engine = {slash == std::string::npos ? "one" : model->substr(0, slash)};
            spec->model = {slash == std::string::npos ? *model : model->substr(slash + 1)};
        }
        auto answer = std::make_shared<std::optional<Result<Accepted>>>();
        tasks.spawn("want", ask(Wish{.spec = std::move(spec), .actor = "test"}, answer));
        return answer;
    }

    Task<void> ask(Wish wish, std::shared_ptr<std::optional<Result<Accepted>>> answer) {
        *answer = co_await controller.set_desired(std::move(wish));
    }
};

class BackendControllerTest : public testing::Test {
protected:
    Nova& boot() {
        nova_.reset();
        nova_ = std::make_unique<Nova>(io_, clock_, machine_, store_);
        nova_->run_for(Milliseconds{10});
        return *nova_;
    }

    Phase phase() const { return nova_->controller.status().phase; }

    std::vector<Operation> operations() {
        std::vector<Operation> result;
        nova_->tasks.spawn("list", list(result));
        nova_->run_for(Milliseconds{1});
        return result;
    }

    Task<void> list(std::vector<Operation>& into) {
        const auto rows = co_await store_.operations(100);
        for (const auto& row : *rows) {
            into.push_back(*operation_from(*parse_json(row.json, "operation")));
        }
    }

    Task<void> cancel(OperationId id) {
        const auto done = co_await nova_->controller.cancel(id);
        EXPECT_TRUE(done);
        const auto again = co_await nova_->controller.cancel(id);
        EXPECT_EQ(again.error().code, ErrorCode::conflict);
        const auto unknown = co_await nova_->controller.cancel({"op-unknown"});
        EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
    }

    std::vector<OperationState> outcomes() {
        std::vector<OperationState> result;
        for (const Operation& operation : operations()) {
            result.insert(result.begin(), operation.state);
        }
        return result;
    }

    void ready(const std::string& model) {
        nova_->want(model);
        nova_->run_for(std::chrono::seconds{2});
        ASSERT_EQ(phase(), Phase::ready);
    }

    asio::io_context io_;
    VirtualClock clock_;
    SimMachine machine_;
    FragileStore store_;
    std::unique_ptr<Nova> nova_;
};

TEST_F(BackendControllerTest, StartsWhatIsWantedAndOpensTraffic) {
    Nova& nova = boot();
    EXPECT_EQ(phase(), Phase::stopped);
    const auto answer = nova.want("a");
    nova.run_for(std::chrono::seconds{2});
    ASSERT_TRUE(*answer && **answer);
    EXPECT_FALSE((**answer)->already);
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.running(), 1U);
    ASSERT_TRUE(nova.traffic.last.open);
    EXPECT_EQ(nova.traffic.last.open->models, std::vector<std::string>{"model"});
    EXPECT_EQ(nova.controller.status().active_model, "a");
    EXPECT_EQ(outcomes(), std::vector{OperationState::succeeded});
    const Operation operation = operations().front();
    EXPECT_EQ(operation.kind, "start");
    EXPECT_EQ(operation.target, "one a");
    ASSERT_EQ(operation.phases.size(), 4U);  // weights, create, load, route
    EXPECT_EQ(operation.phases.front().id, "weights");
    EXPECT_EQ(operation.phases.front().total, 2U);
}

TEST_F(BackendControllerTest, SaysThatTheSameIsOnItsWayAlready) {
    Nova& nova = boot();
    ready("a");
    const auto answer = nova.want("a");
    nova.run_for(std::chrono::seconds{1});
    EXPECT_TRUE((**answer)->already);
    EXPECT_EQ(outcomes().size(), 1U);
}

TEST_F(BackendControllerTest, RefusesAnEngineItDoesNotKnowWithoutAnOperation) {
    Nova& nova = boot();
    const auto answer = nova.want("unknown/a");
    nova.run_for(std::chrono::seconds{1});
    ASSERT_FALSE(**answer);
    EXPECT_EQ((**answer).error().code, ErrorCode::unprocessable);
    EXPECT_TRUE(operations().empty());
}

TEST_F(BackendControllerTest, StopsAfterTrafficIsClosedAndDrained) {
    Nova& nova = boot();
    ready("a");
    nova.traffic.request_takes = std::chrono::seconds{60};
    nova.want(std::nullopt);
    nova.run_for(std::chrono::seconds{14});
    EXPECT_EQ(phase(), Phase::draining);
    EXPECT_FALSE(nova.traffic.last.open);
    EXPECT_EQ(machine_.running(), 1U);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(nova.traffic.cuts, 1U);
    EXPECT_EQ(phase(), Phase::stopped);
    EXPECT_EQ(machine_.running(), 0U);
}

TEST_F(BackendControllerTest, BringsAnExitedEngineBackAtOnce) {
    boot();
    ready("a");
    machine_.instances.front().running = false;
    nova_->run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_EQ(nova_->controller.status().attempts, 1U);
    nova_->run_for(std::chrono::minutes{6});
    EXPECT_EQ(nova_->controller.status().attempts, 0U);
}

TEST_F(BackendControllerTest, BacksOffWhenAnEngineNeverBecomesReady) {
    Nova& nova = boot();
    machine_.deaf = true;
    nova.want("a");
    nova.run_for(std::chrono::seconds{125});
    EXPECT_EQ(phase(), Phase::backing_off);
    EXPECT_EQ(nova.controller.status().error->code, "start_timeout");
    EXPECT_TRUE(nova.controller.status().retry_at);
    EXPECT_EQ(outcomes(), std::vector{OperationState::failed});
    machine_.deaf = false;
    nova.run_for(std::chrono::seconds{35});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_FALSE(nova.controller.status().error);
}

TEST_F(BackendControllerTest, AcceptsNothingThatIsNotStored) {
    Nova& nova = boot();
    store_.away = true;
    const auto answer = nova.want("a");
    nova.run_for(std::chrono::seconds{1});
    ASSERT_TRUE(*answer);
    ASSERT_FALSE(**answer);
    EXPECT_EQ((**answer).error().code, ErrorCode::unavailable);
    EXPECT_EQ(phase(), Phase::stopped);
    store_.away = false;
    ready("a");
    // A store that goes away later changes nothing of what is served.
    store_.away = true;
    machine_.instances.front().running = false;
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.running(), 1U);
}

TEST_F(BackendControllerTest, CancelsAStartAndWantsWhatRanBefore) {
    Nova& nova = boot();
    ready("a");
    nova.weights.takes = std::chrono::hours{1};
    nova.want("b");
    nova.run_for(std::chrono::seconds{2});
    nova.tasks.spawn("cancel", cancel(*nova.controller.status().operation));
    nova.run_for(std::chrono::seconds{2});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().model, "a");
    EXPECT_EQ(outcomes(), (std::vector{OperationState::succeeded, OperationState::cancelled}));
}

TEST_F(BackendControllerTest, ReplacesAnEngineThatStoppedAnswering) {
    boot();
    ready("a");
    machine_.instances.front().answers = false;
    nova_->run_for(std::chrono::seconds{95});
    EXPECT_EQ(phase(), Phase::ready);  // two strikes: it may be busy
    nova_->run_for(std::chrono::seconds{20});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_TRUE(machine_.instances.front().answers);
}

TEST_F(BackendControllerTest, AdoptsTheRunningEngineAfterAKill) {
    boot();
    ready("a");
    const auto before = machine_.instances.front().handle;
    Nova& second = boot();
    second.run_for(std::chrono::seconds{1});
    EXPECT_EQ(phase(), Phase::ready);
    ASSERT_EQ(machine_.instances.size(), 1U);
    EXPECT_EQ(machine_.instances.front().handle, before);
    EXPECT_EQ(second.runtime.stops, 0U);
    EXPECT_EQ(second.controller.status().active_model, "model");
    ASSERT_TRUE(second.traffic.last.open);
}

TEST_F(BackendControllerTest, SweepsWhatNobodyWantsBeforeItStartsAnything) {
    boot();
    ready("a");
    nova_->want("b");
    nova_->run_for(Milliseconds{20});  // committed, not prepared yet
    Nova& second = boot();
    second.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(second.controller.status().model, "b");
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_EQ(machine_.most_at_once, 1U);
}

TEST_F(BackendControllerTest, ServesTheOldModelUntilTheNewOneIsPrepared) {
    Nova& nova = boot();
    ready("a");
    nova.weights.takes = std::chrono::seconds{30};
    nova.want("b");
    nova.run_for(std::chrono::seconds{29});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().active_model, "a");
    EXPECT_TRUE(nova.traffic.last.open);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().active_model, "b");
    EXPECT_EQ(machine_.most_at_once, 1U);
    EXPECT_EQ(outcomes(), (std::vector{OperationState::succeeded, OperationState::succeeded}));
}

TEST_F(BackendControllerTest, LeavesTheOldOneAloneWhenTheNewOneCannotBePrepared) {
    Nova& nova = boot();
    ready("a");
    const auto before = machine_.instances.front().handle;
    nova.want("missing");
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.instances.front().handle, before);
    const Operation operation = operations().front();
    EXPECT_EQ(operation.state, OperationState::failed);
    ASSERT_TRUE(operation.error);
    EXPECT_EQ(operation.error->remedy, "Choose another.");
    Nova& second = boot();
    second.run_for(std::chrono::seconds{3});
    EXPECT_EQ(second.controller.status().model, "a");
    EXPECT_EQ(machine_.instances.front().handle, before);
}

TEST_F(BackendControllerTest, BringsTheOldOneBackWhenTheNewOneDies) {
    Nova& nova = boot();
    ready("a");
    machine_.broken_models = {"b"};
    nova.want("b");
    nova.run_for(std::chrono::seconds{5});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().model, "a");
    const Operation operation = operations().front();
    EXPECT_EQ(operation.state, OperationState::rolled_back);
    ASSERT_TRUE(operation.error);
    EXPECT_EQ(operation.error->code, "model_broken");
    EXPECT_NE(operation.error->log_excerpt.find("file bounds"), std::string::npos);
}

TEST_F(BackendControllerTest, GivesUpOnATerminalCauseAndTriesAgainWhenAsked) {
    Nova& nova = boot();
    machine_.broken_models = {"b"};
    nova.want("b");
    nova.run_for(std::chrono::minutes{10});
    EXPECT_EQ(phase(), Phase::failed);
    EXPECT_EQ(machine_.running(), 0U);
    EXPECT_EQ(nova.controller.status().error->code, "model_broken");
    EXPECT_EQ(outcomes(), std::vector{OperationState::failed});
    machine_.broken_models.clear();
    nova.want("b");
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
}

TEST_F(BackendControllerTest, GivesEveryWishOneOutcomeWhenManyComeAtOnce) {
    Nova& nova = boot();
    for (int i = 0; i < 50; ++i) {
        nova.want(fmt::format("m{}", i % 7));
    }
    nova.run_for(std::chrono::seconds{10});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().model, "m0");  // 49 % 7
    const auto all = outcomes();
    EXPECT_EQ(all.size(), 50U);
    EXPECT_EQ(std::ranges::count(all, OperationState::succeeded), 1);
    EXPECT_EQ(std::ranges::count(all, OperationState::superseded), 49);
    EXPECT_EQ(machine_.most_at_once, 1U);
}

TEST_F(BackendControllerTest, ChangesTheModelOfAManyModelEngineWithoutARestart) {
    Nova& nova = boot();
    ready("many/x");
    const auto before = machine_.instances.front().handle;
    nova.traffic.history.clear();
    nova.want("many/y");
    nova.run_for(std::chrono::seconds{2});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().active_model, "y");
    EXPECT_EQ(machine_.instances.front().handle, before);
    EXPECT_EQ(std::ranges::count(nova.traffic.history, "closed"), 0);
}

TEST_F(BackendControllerTest, StopsTheEngineWhenItLeavesAndWantsItAgainNextTime) {
    Nova& nova = boot();
    ready("a");
    nova.controller.leave(Leave::stop);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(machine_.running(), 0U);
    EXPECT_EQ(nova.tasks.running(), 0U);
    Nova& second = boot();
    second.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
}

TEST_F(BackendControllerTest, LeavesTheEngineRunningWhenToldTo) {
    Nova& nova = boot();
    ready("a");
    nova.controller.leave(Leave::keep);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_FALSE(nova.traffic.last.open);
    EXPECT_EQ(nova.tasks.running(), 0U);
}

// Anything at any time, then calm: one engine at most at every moment, and in the end what is
// wanted runs and every accepted wish has its outcome.
TEST_F(BackendControllerTest, ConvergesAfterAStormForEverySeed) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Random random{seed};
        boot();
        std::string last = "none";
        machine_.broken_models = {"m3"};
        for (int step = 0; step < 30; ++step) {
            switch (random.below(6)) {
            case 0:
            case 1:
                last = fmt::format("m{}", random.below(4));
                nova_->want(last);
                break;
            case 2:
                last = "none";
                nova_->want(std::nullopt);
                break;
            case 3:
                if (!machine_.instances.empty()) {
                    machine_.instances.front().running = false;
                }
                break;
            case 4:
                boot();
                break;
            default:
                nova_->traffic.request_takes = Milliseconds{random.below(20'000)};
                break;
            }
            nova_->run_for(Milliseconds{random.below(1 + (1ULL << random.below(14)))});
            ASSERT_LE(machine_.running(), 1U);
            ASSERT_TRUE(phase() != Phase::ready || machine_.instances.size() == 1U);
        }
        nova_->traffic.request_takes = Milliseconds{5};
        machine_.broken_models.clear();
        nova_->run_for(std::chrono::minutes{10});
        const BackendStatus status = nova_->controller.status();
        ASSERT_TRUE(
            status.phase == Phase::ready || status.phase == Phase::stopped ||
            status.phase == Phase::failed
        ) << name(status.phase);
        ASSERT_EQ(machine_.running(), status.phase == Phase::ready ? 1U : 0U);
        for (const Operation& operation : operations()) {
            ASSERT_TRUE(finished(operation.state)) << to_json(operation).dump();
        }
    }
    EXPECT_EQ(machine_.most_at_once, 1U);
}

}  // namespace
}  // namespace nova::lifecycle

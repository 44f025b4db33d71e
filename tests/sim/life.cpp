// One nova from its boot to its end.
#include "life.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checks.hpp"
#include "trace.hpp"

namespace nova::sim {

using lifecycle::Leave;

namespace {

constexpr std::uint64_t kBusyForNothing = 3000;

}  // namespace

TimePoint LifeClock::now() const {
    return life_.world.clock.now();
}

WallTime LifeClock::wall_now() const {
    return life_.world.clock.wall_now() +
           std::chrono::duration_cast<WallTime::duration>(life_.world.wall_offset);
}

Task<void> LifeClock::sleep_until(TimePoint time) {
    if (!life_.dead) {
        co_await life_.world.clock.sleep_until(time);
    }
    if (life_.dead) {
        end_of_life();
    }
}

Life::Life(World& around, std::uint64_t its_number)
    : world{around}, number{its_number}, clock_{*this},
      runtime{*this, runtime::RuntimeKind::process},
      containers{*this, runtime::RuntimeKind::docker}, engine{*this}, weights{*this}, memory{*this},
      store{*this}, traffic{*this}, controller{world.io.get_executor(), ports(), options()},
      tasks_{world.io.get_executor()}, users_{world.io.get_executor()} {
    feed_.subscribe([this](const lifecycle::FeedEvent& event) {
        if (!dead) {
            world.ledger.published(event);
        }
    });
    tasks_.spawn("controller", body());
    traffic.open_shop();
}

Life::~Life() = default;

Task<void> Life::body() {
    co_await controller.run();
    ended = true;
}

void Life::leave(Leave how) {
    world.trace("nova leaves, the engine {}", how == Leave::stop ? "too" : "stays");
    leaving_ = true;
    controller.leave(how);
    world.after(std::chrono::minutes{3}, [this_number = number, &around = world] {
        if (around.life && around.life->number == this_number) {
            around.kill();  // nobody waits longer for a process to end
        }
    });
}

void Life::kill() {
    dead = true;
    leaving_ = true;
    controller.leave(Leave::at_once);
    traffic.close_shop();
    users_.cancel();
}

// ---------------------------------------------------------------- users

void Life::ask(const WishChoice& choice) {
    lifecycle::Wish wish{.spec = {}, .actor = "sim"};
    if (!choice.engine.empty()) {
        wish.spec.emplace();
        wish.spec->engine = {std::string{choice.engine}};
        wish.spec->model = {std::string{choice.model}};
    }
    users_.spawn("wish", one_wish(std::move(wish)));
}

Task<void> Life::one_wish(lifecycle::Wish wish) {
    const std::string model = wish.spec ? wish.spec->model.value : "nothing";
    const auto answer = co_await controller.set_desired(std::move(wish));
    if (dead) {
        co_return;
    }
    if (answer && !answer->already) {
        world.ledger.accepted(answer->operation);
    }
    if (world.tracing()) {
        world.trace(
            "  {} is {}", model,
            !answer           ? answer.error().message
            : answer->already ? std::string{"wanted already"}
                              : fmt::format("accepted as {}", answer->generation.value)
        );
    }
}

void Life::ask_to_cancel() {
    users_.spawn("cancel", one_cancel());
}

Task<void> Life::one_cancel() {
    const auto operation = controller.status().operation;
    if (!operation) {
        co_return;
    }
    const auto done = co_await controller.cancel(*operation);
    if (dead || !done) {
        co_return;
    }
    const auto outcome = world.ledger.outcome(*operation);
    if (!outcome || !lifecycle::finished(*outcome)) {
        world.violated("a cancel that was granted gives an outcome");
    }
}

void Life::wake() {
    if (!dead && !leaving_) {
        controller.wake();
    }
}

// ---------------------------------------------------------------- the controller's surroundings

lifecycle::ControllerPorts Life::ports() {
    return {
        .drivers = [this](runtime::RuntimeKind kind
                   ) { return kind == runtime::RuntimeKind::docker ? &containers : &runtime; },
        .kinds = kinds(),
        .client = engine,
        .weights = weights,
        .traffic = traffic,
        .planner = [this](
                       const auto& spec, const auto& model, const auto& identity
                   ) { return plan(spec, model, identity); },
        .models_of = [](const EngineName& name) -> Result<engine::ModelsPerInstance> {
            return name.value == "many" ? engine::ModelsPerInstance::many
                                        : engine::ModelsPerInstance::one;
        },
        .store = store,
        .clock = clock_,
        .log = log_,
        .feed = feed_,
        .memory = &memory,
    };
}

std::vector<runtime::RuntimeKind> Life::kinds() const {
    if (world.schedule.two_runtimes) {
        return {runtime::RuntimeKind::docker, runtime::RuntimeKind::process};
    }
    return {runtime::RuntimeKind::process};
}

lifecycle::ControllerOptions Life::options() {
    lifecycle::ControllerOptions options;
    options.install = {"sim"};
    options.policy = world.schedule.policy;
    options.on_step = [this](const auto& before, const auto& event, const auto& step) {
        on_step(before, event, step);
    };
    return options;
}

Result<lifecycle::Plan> Life::plan(
    const engine::BackendSpec& spec, const engine::ResolvedModel& model,
    const runtime::InstanceIdentity& identity
) {
    lifecycle::Plan plan;
    plan.instance.identity = identity;
    plan.instance.name = "sim";
    plan.instance.argv = {model.id.value};
    if (world.schedule.two_runtimes && spec.engine.value == "one") {
        plan.instance.runtime = runtime::RuntimeKind::docker;
    }
    if (world.schedule.evidence == Evidence::counters) {
        plan.probe.probe.counters_path = "/metrics";
    }
    plan.instance.grace = std::chrono::seconds{3};
    plan.api_key = fmt::format("key-{:04}", ++world.keys);
    plan.instance.env["KEY"] = plan.api_key;
    plan.probe.auth_header_name = "Authorization";
    plan.probe.auth_header_value = Secret{"Bearer " + plan.api_key};
    plan.models = spec.engine.value == "many" ? engine::ModelsPerInstance::many
                                              : engine::ModelsPerInstance::one;
    plan.api_base = "/v1";
    plan.loading_progress = {"loading"};
    return plan;
}

void Life::on_step(
    const lifecycle::BackendState& before, const lifecycle::Event& event,
    const lifecycle::Step& step
) {
    if (dead) {
        return;
    }
    ++world.steps;
    if (world.steps_at_once() > kBusyForNothing) {
        world.violated("time goes on");
        world.kill();  // or this instant would never end
        return;
    }
    if (world.tracing()) {
        trace_step(world, before, event, step);
    }
    if (step.state.running && step.state.running->proven) {
        opened_since = true;
    }
    judge_step(*this, before, step);
    judge_idleness(*this, before, event, step.state);
}

}  // namespace nova::sim

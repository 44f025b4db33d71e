// The composition: reads like a table of contents.
#include "app/daemon.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/accounts.hpp"
#include "app/cloud_providers.hpp"
#include "app/compose_watch.hpp"
#include "app/container_facts.hpp"
#include "app/containers.hpp"
#include "app/daemon_options.hpp"
#include "app/data_plane.hpp"
#include "app/embed_planner.hpp"
#include "app/engine_inventory.hpp"
#include "app/gpu_watch.hpp"
#include "app/history.hpp"
#include "app/launch_planner.hpp"
#include "app/list_look.hpp"
#include "app/machine.hpp"
#include "app/memory_admission.hpp"
#include "app/model_weights.hpp"
#include "app/run_logs.hpp"
#include "app/runtime_file.hpp"
#include "app/setting_policies.hpp"
#include "app/status_page.hpp"
#include "app/stop_signal.hpp"
#include "app/traffic_bridge.hpp"
#include "app/version.hpp"
#include "config/provider_keys.hpp"
#include "config/settings.hpp"
#include "lifecycle/backend_controller.hpp"
#include "lifecycle/engine_client.hpp"
#include "lifecycle/slots.hpp"
#include "recovery/provider_routes.hpp"
#include "recovery/recovery_routes.hpp"
#include "recovery/settings_routes.hpp"
#include "runtime/external_driver.hpp"
#include "runtime/process_driver.hpp"
#include "store/sqlite_store.hpp"

namespace nova::app {
namespace {

using namespace std::chrono_literals;

constexpr auto kShutdownDeadline = 20s;
// An engine's grace (20 s at most), its memory's way back, and a margin; behind the drain.
constexpr auto kEngineEnd = 35s;
constexpr auto kLastMoment = 3s;

}  // namespace

// Members in the order of their dependencies; the control thread's io_context first.
class Daemon {
public:
    Daemon(
        DaemonInputs inputs, Log& log, std::unique_ptr<store::SqliteStore> store,
        engine::EngineRegistry registry
    );

    // Settings, listeners, runtime.json; then lives until a signal, then goes in order.
    Task<Result<void>> run();

    asio::io_context& io() { return io_; }

private:
    Result<void> listen();
    Task<void> leave();
    void leave_by(lifecycle::Leave how);
    Task<void> leave_in_time();
    void make_planes();
    runtime::RuntimeDriver* driver(runtime::RuntimeKind kind);
    lifecycle::ControllerPorts controller_ports(lifecycle::Planner planner);
    std::unique_ptr<lifecycle::BackendController>
    make_controller(std::string_view slot, lifecycle::Planner planner);
    lifecycle::Planner planner();
    hardware::CommandRunner runner_in(const lifecycle::BackendStatus& status);
    ImageChoice images() const;
    std::function<Task<std::string>(EngineName, std::string)> runtime_choice();
    Result<void> make_weights();
    std::optional<Endpoint> running_ollama() const;
    recovery::RecoveryParts recovery_parts();
    gateway::Strategy strategy() const;
    RoutingChoices routing_choices() const;
    Task<void> settings_changed(std::vector<std::string> names);
    void add_control_routes();
    void make_clouds();
    Task<void> look_here();
    Task<std::vector<recovery::EngineStatus>> inventory();

    asio::io_context io_{1};
    DaemonInputs in_;
    RuntimeFile runtime_file_{in_.directory.file("runtime.json")};
    Log& log_;
    SystemClock clock_;
    std::unique_ptr<store::SqliteStore> store_;
    engine::EngineRegistry registry_;
    config::Settings settings_;
    Machine machine_;
    runtime::ProcessDriver processes_;
    runtime::ExternalDriver external_;
    std::unique_ptr<Containers> containers_;  // once the settings are read
    lifecycle::HttpEngineClient engine_client_;
    std::unique_ptr<ModelWeights> weights_;
    std::chrono::nanoseconds drain_{
    };  // of the controllers: the setting may change before the next start
    MeasuredMemory memory_;
    MeasuredMemory embed_memory_ = memory_without_gpus(registry_);
    lifecycle::EventFeed feed_;
    recovery::AdminAuth auth_;
    TaskGroup tasks_;
    TaskGroup controlling_;  // never cancelled: the controllers leave by themselves
    std::unique_ptr<DataPlane> plane_;
    std::unique_ptr<Accounts> accounts_;
    std::unique_ptr<TrafficBridge> bridge_;
    std::unique_ptr<lifecycle::BackendController> controller_;
    std::unique_ptr<lifecycle::BackendController> embedder_;
    std::unique_ptr<GpuWatch> gpus_;
    std::unique_ptr<ComposeWatch> compose_;
    std::unique_ptr<CloudProviders> clouds_;
    std::unique_ptr<ListLook> list_look_;
    std::unique_ptr<recovery::RecoveryParts> parts_;
    recovery::SettingsAccess settings_access_{
        .settings = settings_,
        .changed = [this](std::vector<std::string> names
                   ) { return settings_changed(std::move(names)); },
    };
    net::RouteTable routes_;
    std::unique_ptr<net::HttpServer> control_;
    Endpoint gateway_at_;
    Endpoint control_at_;
};

Daemon::Daemon(
    DaemonInputs inputs, Log& log, std::unique_ptr<store::SqliteStore> store,
    engine::EngineRegistry registry
)
    : in_{std::move(inputs)}, log_{log}, store_{std::move(store)}, registry_{std::move(registry)},
      settings_{*store_, in_.boot.setting_seeds},
      machine_{in_.environment, clock_, log_, in_.directory.path()},
      processes_{io_.get_executor(), clock_, driver_options(in_.directory, in_.environment)},
      engine_client_{clock_}, memory_{
                                  registry_, [this] { return read_memory(machine_); },
                                  [this] { return machine_.snapshot(); }
                              },
      auth_{in_.admin_secret, clock_}, tasks_{io_.get_executor()},
      controlling_{io_.get_executor()} {}

void Daemon::make_planes() {
    DataPlane::Options options{
        .workers = in_.boot.workers.value,
        .policy = gateway_policy(settings_),
        .admission = admission_for(in_.boot.gateway_listen.value, in_.boot),
        .on_refused = [this](const UpstreamId& upstream
                      ) { log_.warn("gateway.refused", {{"upstream", upstream.value}}); },
        .on_wake =
            [this](const SlotName& slot) {
                log_.info("gateway.wake", {{"slot", slot.value}});
                const bool embed = slot.value == lifecycle::kEmbedSlot;
                (embed ? embedder_ : controller_)->wake();
            },
        .on_missed = [this](gateway::Reach reach) { list_look_->missed(reach); },
        .on_ended = [this] { accounts_->drain_soon(); },
        .loopback = settings_.boolean("gateway.open_loopback") ? gateway::Loopback::open
                                                               : gateway::Loopback::closed,
        .version = std::string{kVersion},
    };
    plane_ = std::make_unique<DataPlane>(io_.get_executor(), clock_, log_, std::move(options));
    accounts_ = std::make_unique<Accounts>(Accounts::Parts{
        .executor = io_.get_executor(),
        .clock = clock_,
        .log = log_,
        .store = *store_,
        .feed = feed_,
        .settings = settings_,
        .directory = in_.directory,
        .auth = auth_,
        .plane = *plane_,
    });
    bridge_ = std::make_unique<TrafficBridge>(*plane_, [this](const std::string& name) {
        const engine::EngineSpec* engine = registry_.find(name);
        return engine == nullptr || engine->serves_embeddings;
    });
    const auto hardware = [this] { return machine_.snapshot(); };
    const LaunchFolders folders{
        .logs = in_.directory.file("logs"), .models = in_.directory.file("models")
    };
    drain_ = lifecycle_policy(settings_).drain;
    controller_ = make_controller(lifecycle::kLocalSlot, planner());
    embedder_ = make_controller(
        lifecycle::kEmbedSlot, make_embed_planner(registry_, hardware, folders, images())
    );
    machine_.ask_inside([this] { return runner_in(controller_->status()); });
    gpus_ = std::make_unique<GpuWatch>(GpuWatch::parts_of(
        machine_, *controller_, registry_, controller_ports(planner()),
        lifecycle_policy(settings_).probe_interval
    ));
    compose_ = std::make_unique<ComposeWatch>(ComposeWatch::Parts{
        .clock = clock_,
        .log = log_,
        .backend = *controller_,
        .may_start = [this] { return strategy() != gateway::Strategy::cloud_only; },
        .look =
            [this] {
                return containers_->driver().services_by_hand(
                    SlotName{std::string{lifecycle::kLocalSlot}}
                );
            },
        .model_at = make_ollama_look(engine_client_, clock_),
    });
    make_clouds();
    add_control_routes();
    control_ = std::make_unique<net::HttpServer>(
        io_.get_executor(), clock_, log_, routes_, net::ServerLimits{}, &recovery::render_error,
        admission_for(in_.boot.control_listen.value, in_.boot)
    );
}

void Daemon::make_clouds() {
    clouds_ = std::make_unique<CloudProviders>(CloudProviders::Parts{
        .executor = io_.get_executor(),
        .clock = clock_,
        .log = log_,
        .store = *store_,
        .key_file = in_.directory.file("secret.key"),
        .strategy = [this] { return strategy(); },
        .changed = [this] { return bridge_->choose(routing_choices()); },
        .circuit = [this](const UpstreamId& id) { return plane_->circuit(id); },
        .forget_failures = [this](const UpstreamId& id) { plane_->forget_failures(id); },
    });
    list_look_ = std::make_unique<ListLook>(ListLook::Parts{
        .executor = io_.get_executor(),
        .here = [this] { return look_here(); },
        .clouds = [this] { return clouds_->missed(); },
        .tell = [this] { return bridge_->looked(); },
    });
}

Task<void> Daemon::look_here() {
    co_await controller_->look_for_models();
    co_await embedder_->look_for_models();
}

void Daemon::add_control_routes() {
    parts_ = std::make_unique<recovery::RecoveryParts>(recovery_parts());
    recovery::add_recovery_routes(routes_, *parts_);
    recovery::add_settings_routes(routes_, auth_, settings_access_);
    recovery::add_provider_routes(routes_, auth_, *clouds_);
    recovery::add_health_routes(routes_, *parts_, "");
    accounts_->add_routes(routes_);
    add_status_page(routes_);
}

gateway::Strategy Daemon::strategy() const {
    return gateway_strategy_from(
        config::routing_strategy_of(settings_.text("mode"), settings_.text("routing_strategy"))
    );
}

RoutingChoices Daemon::routing_choices() const {
    RoutingChoices choices{.strategy = strategy(), .clouds = clouds_->upstreams()};
    if (const auto pairs = config::aliases_from(settings_.text("routing_aliases"))) {
        choices.aliases = gateway_aliases_from(*pairs, choices.clouds);
    }
    return choices;
}

Task<void> Daemon::settings_changed(std::vector<std::string> names) {
    for (const std::string& name : names) {
        log_.info("settings.changed", {{"name", name}});
    }
    co_await plane_->change_policy(gateway_policy(settings_));
    co_await bridge_->choose(routing_choices());
    clouds_->look_again();
    const bool mode = std::ranges::find(names, "mode") != names.end();
    if (!mode || strategy() != gateway::Strategy::cloud_only) {
        co_return;
    }
    // What runs here would hold memory for nobody, and come back with the next start of nova.
    for (const auto& controller : {controller_.get(), embedder_.get()}) {
        const auto stopped = co_await controller->set_desired({.spec = {}, .actor = "mode"});
        if (!stopped) {
            log_.warn("mode.not_stopped", {{"detail", stopped.error().message}});
        }
    }
}

runtime::RuntimeDriver* Daemon::driver(runtime::RuntimeKind kind) {
    switch (kind) {
    case runtime::RuntimeKind::process:
        return &processes_;
    case runtime::RuntimeKind::external:
        return &external_;
    case runtime::RuntimeKind::docker:
        return &containers_->driver();
    }
    return nullptr;
}

// A tool runs where the engine does, so that what the container lost is seen.
hardware::CommandRunner Daemon::runner_in(const lifecycle::BackendStatus& status) {
    if (!status.instance || status.instance->runtime != runtime::RuntimeKind::docker) {
        return {};
    }
    return exec_runner(driver(status.instance->runtime), *status.instance);
}

lifecycle::Planner Daemon::planner() {
    return make_planner(
        registry_, [this] { return machine_.snapshot(); },
        {.logs = in_.directory.file("logs"), .models = in_.directory.file("models")}, images(),
        {.gpus = [this] { return machine_.fresh_stats(); },
         .hub_token = config::value_of(in_.environment, "HF_TOKEN").value_or("")}
    );
}

ImageChoice Daemon::images() const {
    return [this](const EngineName& engine) { return containers_->image_of(engine); };
}

std::function<Task<std::string>(EngineName, std::string)> Daemon::runtime_choice() {
    return [this](EngineName engine, std::string now) {
        return containers_->choose_runtime(std::move(engine), std::move(now));
    };
}

// An Ollama that serves can fetch as well; any other engine needs a helper beside it.
std::optional<Endpoint> Daemon::running_ollama() const {
    const auto instance = controller_ ? controller_->status().instance : std::nullopt;
    if (!instance) {
        return compose_ ? compose_->offered() : std::nullopt;
    }
    if (!instance->name.starts_with("nova-ollama")) {
        return std::nullopt;
    }
    return instance->endpoint;
}

Result<void> Daemon::make_weights() {
    auto hub = catalog::parse_hub_url(settings_.text("hub.url"));
    if (!hub) {
        return propagate(hub);
    }
    const std::string token = config::value_of(in_.environment, "HF_TOKEN").value_or("");
    log_.redactor().add_secret(token);
    catalog::DownloadLimits limits;
    limits.stall = std::chrono::seconds{settings_.integer("download.stall_s")};
    limits.reserve = mib(static_cast<std::uint64_t>(settings_.integer("download.reserve_mib")));
    weights_ = std::make_unique<ModelWeights>(ModelWeights::Parts{
        .base = in_.directory.path(),
        .hub = {.base = *std::move(hub), .token = Secret{token}},
        .limits = limits,
        .running_ollama = [this] { return running_ollama(); },
        .helper =
            {
                .executor = io_.get_executor(),
                .clock = clock_,
                .log = log_,
                .drivers = [this](runtime::RuntimeKind kind) { return driver(kind); },
                .kinds = {runtime::RuntimeKind::process, runtime::RuntimeKind::docker},
                .planner = planner(),
                .install = in_.directory.install_id(),
                .choose_runtime = runtime_choice(),
            },
    });
    return {};
}

std::unique_ptr<lifecycle::BackendController>
Daemon::make_controller(std::string_view slot, lifecycle::Planner planner) {
    auto ports = controller_ports(std::move(planner));
    if (slot == lifecycle::kEmbedSlot) {
        ports.memory = &embed_memory_;
    }
    return std::make_unique<lifecycle::BackendController>(
        io_.get_executor(), std::move(ports),
        controller_options(settings_, in_.directory.install_id(), slot)
    );
}

lifecycle::ControllerPorts Daemon::controller_ports(lifecycle::Planner planner) {
    const auto docker = container_place(settings_.text("docker.host"), in_.environment);
    return {
        .drivers = [this](runtime::RuntimeKind kind) { return driver(kind); },
        .kinds =
            {runtime::RuntimeKind::process, runtime::RuntimeKind::external,
             runtime::RuntimeKind::docker},
        .client = engine_client_,
        .weights = *weights_,
        .traffic = *bridge_,
        .planner = std::move(planner),
        .models_of = [this](const EngineName& name) -> Result<engine::ModelsPerInstance> {
            const auto spec = registry_.need(name);
            return spec ? Result<engine::ModelsPerInstance>{(*spec)->models} : propagate(spec);
        },
        .store = *store_,
        .clock = clock_,
        .log = log_,
        .feed = feed_,
        .memory = &memory_,
        .preflight = make_preflight(
            registry_, [this] { return machine_.snapshot(); }, docker_get(clock_, docker.socket),
            docker
        ),
    };
}

recovery::RecoveryParts Daemon::recovery_parts() {
    return {
        .backend = *controller_,
        .store = *store_,
        .feed = feed_,
        .auth = auth_,
        .clock = clock_,
        .engines = [this] { return inventory(); },
        .hardware = machine_.access(),
        .readiness = [this]() -> recovery::Readiness {
            if (!bridge_->can_answer()) {
                return {
                    false, "No backend serves right now, and no cloud is allowed or configured."
                };
            }
            return {true, bridge_->open() ? "A backend serves." : "A cloud can answer."};
        },
        .version = std::string{kVersion},
        .event_limits = {},
        .embed = embedder_.get(),
        .start_refused = [this]() -> std::optional<Error> {
            if (strategy() != gateway::Strategy::cloud_only) {
                return std::nullopt;
            }
            return Error{
                .code = ErrorCode::precondition,
                .message = "The mode is cloud-only: nothing is fetched or started on this machine.",
                .word = "cloud_only",
                .remedy = "Leave the mode with: nova mode hybrid",
            };
        },
        .choose_runtime = runtime_choice(),
    };
}

Task<std::vector<recovery::EngineStatus>> Daemon::inventory() {
    auto engines = engine_inventory(
        registry_, program_folders(driver_options(in_.directory, in_.environment))
    );
    co_await containers_->complete(engines);
    co_return engines;
}

Result<void> Daemon::listen() {
    auto gateway = plane_->listen(in_.boot.gateway_listen.value);
    if (!gateway) {
        return propagate(gateway);
    }
    gateway_at_ = std::move(*gateway);
    auto control = control_->listen(in_.boot.control_listen.value, net::PortSharing::exclusive);
    if (!control) {
        return propagate(control);
    }
    control_at_ = std::move(*control);
    return {};
}

void Daemon::leave_by(lifecycle::Leave how) {
    for (const auto& controller : {controller_.get(), embedder_.get()}) {
        controller->leave(how);
    }
}

// A runtime that is away must not keep nova for ever.
Task<void> Daemon::leave_in_time() {
    co_await clock_.sleep_for(drain_ + kEngineEnd);
    log_.error(
        "nova.left_behind",
        {{"detail", "An engine could not be stopped in time. The next nova finds it."}}
    );
    leave_by(lifecycle::Leave::at_once);
}

Task<void> Daemon::leave() {
    const TimePoint deadline = clock_.now() + kShutdownDeadline;
    control_->stop();
    const bool keep = settings_.text("on_exit") == "keep";
    leave_by(keep ? lifecycle::Leave::keep : lifecycle::Leave::stop);
    TaskGroup limit{io_.get_executor()};
    limit.spawn("limit", leave_in_time());
    co_await controlling_.join();
    limit.cancel();
    co_await limit.join();
    co_await weights_->leave();
    // Clouds may stream as long; engines that took it up leave them a moment.
    co_await plane_->stop({std::max(deadline, clock_.now() + kLastMoment)});
    co_await accounts_->finish();
    co_await control_->finish(Deadline::in(clock_, 2s));
    tasks_.cancel();
    co_await tasks_.join();
}

Task<Result<void>> Daemon::run() {
    const auto strange = co_await settings_.load();
    if (!strange) {
        co_return propagate(strange);
    }
    for (const std::string& name : *strange) {
        log_.warn("settings.ignored", {{"name", name}});
    }
    prune_run_logs(
        in_.directory.file("logs"), static_cast<std::size_t>(settings_.integer("logs.keep_runs"))
    );
    containers_ = std::make_unique<Containers>(
        io_.get_executor(), clock_, settings_, registry_, in_.environment
    );
    if (const auto made = make_weights(); !made) {
        co_return propagate(made);
    }
    make_planes();
    const auto loaded = co_await accounts_->load(in_.boot.gateway_listen.value);
    if (!loaded) {
        co_return propagate(loaded);
    }
    const auto known = co_await clouds_->load(config::provider_keys(in_.environment));
    if (!known) {
        co_return propagate(known);
    }
    const auto bound = listen();
    if (!bound) {
        co_return propagate(bound);
    }
    // Before anything answers: who finds the gateway alive finds this file as well.
    const auto written = runtime_file_.write(
        {.gateway = gateway_at_, .control = control_at_, .gateway_key = accounts_->internal_key()}
    );
    if (!written) {
        log_.warn("nova.runtime_file", {{"detail", written.error().message}});
    }
    plane_->start();
    // Before any view of a slot: no request is routed by choices that are not the person's.
    co_await bridge_->choose(routing_choices());
    tasks_.spawn("clouds", clouds_->keep_fresh());
    tasks_.spawn("list look", list_look_->run());
    controlling_.spawn("controller", controller_->run());
    controlling_.spawn("embed controller", embedder_->run());
    accounts_->start(tasks_);
    tasks_.spawn("control accept", control_->run());
    tasks_.spawn("hardware", machine_.detect_at_start());
    tasks_.spawn("gpus", gpus_->run());
    tasks_.spawn("compose", compose_->run());
    tasks_.spawn("reap helpers", weights_->reap());
    tasks_.spawn("history", forget_history(*store_, clock_, log_));
    if (strategy() == gateway::Strategy::cloud_only) {
        co_await settings_changed({"mode"});
    }
    log_.info(
        "nova.ready", {{"version", std::string{kVersion}},
                       {"gateway", "http://" + gateway_at_.text()},
                       {"control", "http://" + control_at_.text()},
                       {"data", in_.directory.path()}}
    );
    log_.info("nova.leaving", {{"signal", std::to_string(co_await stop_signal())}});
    co_await leave();
    co_return Result<void>{};
}

Result<void> run_daemon(DaemonInputs inputs, Log& log) {
    auto registry = engine::EngineRegistry::load(inputs.directory.file("engines"));
    if (!registry) {
        return propagate(registry);
    }
    auto opened = store::SqliteStore::open(inputs.directory.file("nova.db"));
    if (!opened) {
        return propagate(opened);
    }
    Daemon daemon{std::move(inputs), log, std::move(*opened), std::move(*registry)};
    Result<void> outcome;
    asio::co_spawn(
        daemon.io(), daemon.run(),
        [&](std::exception_ptr exception, Result<void> result) {
            NOVA_CHECK(!exception);
            outcome = std::move(result);
            // A kept engine is still watched for its end; that must not keep the loop alive.
            daemon.io().stop();
        }
    );
    daemon.io().run();
    return outcome;
}

}  // namespace nova::app

// Performs what the machine asks for: drivers, engine, weights, traffic.
#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "lifecycle/backend_controller.hpp"
#include "lifecycle/failed_log.hpp"
#include "lifecycle/failure_reading.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::chrono::seconds kListLimit{30};
constexpr std::chrono::seconds kSweepLimit{120};
constexpr std::chrono::seconds kStartLimit{60};  // until the process or container exists
constexpr std::chrono::seconds kStopMargin{40};  // beyond the grace; 10 s are the memory's
constexpr std::chrono::seconds kAdmitLimit{10};
constexpr std::chrono::seconds kModelsLimit{10};
constexpr std::chrono::seconds kWaitRetry{1};

Failure out_of_time(std::string_view what) {
    return failure_from(
        {.code = ErrorCode::timeout,
         .message = fmt::format("{} took too long.", what),
         .word = {},
         .remedy = {},
         .retry_after = {}}
    );
}

// A process is found by its marker, whatever was written down. A container behind a daemon that is
// away is not: its start has to be on record first.
Failure not_on_record() {
    return failure_from(
        {.code = ErrorCode::unavailable,
         .message = "The start could not be written down, and a container without a note of it "
                    "could be overlooked later.",
         .word = {},
         .remedy = "It is tried again by itself; look at the disk of the data directory.",
         .retry_after = {}}
    );
}

}  // namespace

Deadline BackendController::within(std::chrono::nanoseconds time) const {
    return Deadline::in(ports_.clock, time);
}

void BackendController::run_work(
    std::string name, Task<Event> body, Event otherwise, Deadline deadline
) {
    work_.run(std::move(name), std::move(body), std::move(otherwise), deadline);
}

void BackendController::perform(const Effect& effect) {
    const Deadline never = Deadline::never();
    if (std::holds_alternative<ListOwned>(effect)) {
        run_work(
            "list", list_owned(), ListFailed{out_of_time("Asking what of ours runs")},
            within(kListLimit)
        );
    } else if (const auto* sweeping = std::get_if<SweepStrays>(&effect)) {
        run_work("sweep", sweep(sweeping->keep), SweepFailed{}, within(kSweepLimit));
    } else if (const auto* preparing = std::get_if<Prepare>(&effect)) {
        const SpecHash spec = preparing->target.spec;
        preparation_.run(
            "prepare", prepare(preparing->target),
            PrepareFailed{spec, out_of_time("Preparing the model")}, never
        );
    } else if (std::holds_alternative<CancelPreparation>(effect)) {
        preparation_.cancel();
    } else if (const auto* asking = std::get_if<Admit>(&effect)) {
        run_work(
            "admit", admit(asking->target),
            not_admitted(asking->target, "the free memory could not be measured in time"),
            within(kAdmitLimit)
        );
    } else if (const auto* unloading = std::get_if<Unload>(&effect)) {
        begin_unload(*unloading);
    } else if (const auto* starting = std::get_if<Start>(&effect)) {
        const Generation generation = starting->generation;
        run_work(
            "start", start(generation),
            StartFailed{generation, out_of_time("Starting the engine's program")},
            within(kStartLimit)
        );
    } else if (const auto* probing = std::get_if<Probe>(&effect)) {
        const Generation generation = probing->generation;
        const bool candidate = state_.candidate && state_.candidate->generation == generation;
        Lane& lane = candidate ? candidate_probes_ : probes_;
        lane.run("probe", probe(generation), Probed{generation}, never);
    } else if (const auto* loading = std::get_if<Load>(&effect)) {
        run_work(
            "load", load(loading->target, loading->generation),
            LoadFailed{loading->target.spec, out_of_time("Loading the model")}, never
        );
    } else if (const auto* opening = std::get_if<PublishOpen>(&effect)) {
        if (const HeldInstance* one = held_.find(opening->generation)) {
            models_ = one->models;
        }
        run_work("publish", publish(upstream_view(opening->generation)), PublishFailed{}, never);
    } else if (std::holds_alternative<PublishClosed>(effect)) {
        run_work("publish", publish(std::nullopt), PublishFailed{}, never);
    } else if (const auto* draining = std::get_if<Drain>(&effect)) {
        run_work("drain", drain(draining->generation, draining->deadline), Drained{1}, never);
    } else if (const auto* cutting = std::get_if<Cut>(&effect)) {
        run_work("cut", cut(cutting->generation), CutDone{}, never);
    } else if (const auto* stopping = std::get_if<Stop>(&effect)) {
        const HeldInstance* one = held_.find(stopping->generation);
        const auto grace = one && one->handle ? one->handle->grace : std::chrono::seconds{10};
        run_work(
            "stop", stop(*stopping), StopFailed{stopping->generation}, within(grace + kStopMargin)
        );
    } else if (std::holds_alternative<CancelWork>(effect)) {
        work_.cancel();
    } else if (const auto* looking = std::get_if<LookForUse>(&effect)) {
        look_for_use(looking->generation);
    }
    // OpenOperation and FinishOperation were performed by the commit.
}

// ---------------------------------------------------------------- what is ours already

Task<Event> BackendController::list_owned() {
    owned_.clear();
    for (const runtime::RuntimeKind kind : kinds_to_ask()) {
        auto listed = co_await list_of(kind, {});
        if (!listed) {
            ports_.log.warn("backend.list", {{"error", listed.error().message}});
            co_return ListFailed{failure_from(listed.error())};
        }
        std::ranges::move(*listed, std::back_inserter(owned_));
    }
    std::erase_if(notes_, [this](const InstanceNote& note) {
        return std::ranges::none_of(owned_, [&note](const runtime::OwnedInstance& owned) {
            return owned.handle.identity.generation == note.generation;
        });
    });
    Listed result;
    for (const runtime::OwnedInstance& owned : owned_) {
        result.found.push_back(
            {.host = owned.handle.identity.spec,
             .generation = owned.handle.identity.generation,
             .alive = owned.status.state == runtime::InstanceStatus::State::running}
        );
    }
    co_return result;
}

Task<Event> BackendController::sweep(std::optional<std::size_t> keep) {
    for (std::size_t i = 0; i < owned_.size(); ++i) {
        if (keep == i) {
            continue;
        }
        const runtime::InstanceHandle handle = owned_[i].handle;
        runtime::RuntimeDriver* driver = ports_.drivers(handle.runtime);
        const auto stopped = co_await driver->stop(handle, runtime::RuntimeDriver::Force::graceful);
        if (!stopped) {
            ports_.log.warn("backend.sweep", {{"error", stopped.error().message}});
            co_return SweepFailed{};
        }
        forget_note(handle.identity.generation);
    }
    co_return Swept{};
}

// The machine keeps one that was found: make it ours again.
void BackendController::adopt() {
    if (!state_.adopted_index || *state_.adopted_index >= owned_.size()) {
        return;
    }
    const runtime::InstanceHandle handle = owned_[*state_.adopted_index].handle;
    HeldInstance& one = held_.of(handle.identity.generation);
    one.handle = handle;
    const auto* spec = spec_of(state_.running->target.spec);
    if (spec != nullptr) {
        one.plan = ports_.planner(
            *spec, engine::ResolvedModel{.id = spec->model, .path = {}, .size = {}}, handle.identity
        );
    }
    if (one.plan && *one.plan) {
        Plan& plan = **one.plan;
        plan.probe.endpoint = handle.endpoint;
        const auto note =
            std::ranges::find(notes_, handle.identity.generation, &InstanceNote::generation);
        // The key of that start, not the new one the planner drew.
        if (note != notes_.end() && !note->api_key.empty()) {
            plan.probe.auth_header_name = "Authorization";
            plan.probe.auth_header_value = Secret{"Bearer " + note->api_key.reveal()};
            ports_.log.redactor().add_secret(note->api_key.reveal());
        }
    }
    ports_.log.info(
        "backend.adopted", {{"slot", options_.slot.value},
                            {"endpoint", handle.endpoint.text()},
                            {"pid", fmt::to_string(handle.pid)}}
    );
    tasks_.spawn("watch exit", watch_exit(handle));
}

// ---------------------------------------------------------------- up

Task<Event> BackendController::prepare(Target target) {
    const auto* found = spec_of(target.spec);
    if (found == nullptr) {
        co_return PrepareFailed{
            target.spec,
            failure_from({.code = ErrorCode::internal, .message = "The wish was lost."})
        };
    }
    const engine::BackendSpec spec = *found;
    auto model = co_await ports_.weights.ensure(spec, [this](const runtime::Progress& progress) {
        report_progress("weights", progress);
    });
    if (!model) {
        co_return PrepareFailed{target.spec, failure_from(model.error())};
    }
    const auto plan = ports_.planner(
        spec, *model, {options_.install, options_.slot, target.generation, target.host}
    );
    if (!plan) {
        co_return PrepareFailed{target.spec, failure_from(plan.error())};
    }
    runtime::RuntimeDriver* driver = ports_.drivers(plan->instance.runtime);
    if (driver == nullptr) {
        co_return PrepareFailed{
            target.spec,
            failure_from(
                {.code = ErrorCode::unsupported,
                 .message = fmt::format(
                     "The runtime {} is not available here.", word(plan->instance.runtime)
                 )}
            )
        };
    }
    if (ports_.preflight) {
        if (const auto possible = co_await ports_.preflight(spec, plan->instance); !possible) {
            co_return PrepareFailed{target.spec, failure_from(possible.error())};
        }
    }
    const auto prepared =
        co_await driver->prepare(plan->instance, [this](const runtime::Progress& progress) {
            report_progress(progress.step, progress);
        });
    if (!prepared) {
        co_return PrepareFailed{target.spec, failure_from(prepared.error())};
    }
    resolved_.insert_or_assign(target.spec, std::move(*model));
    co_return Prepared{target.spec};
}

// Before the commit, so that the key is on record before the process exists.
void BackendController::plan_start(const Start& effect) {
    const auto* spec = spec_of(effect.target.spec);
    const auto model = resolved_.find(effect.target.spec);
    HeldInstance& one = held_.of(effect.generation);
    if (spec == nullptr || model == resolved_.end()) {
        one.plan = fail(ErrorCode::internal, "The wish was lost.");
        return;
    }
    one.plan = ports_.planner(
        *spec, model->second,
        {options_.install, options_.slot, effect.generation, effect.target.host}
    );
    if (*one.plan) {
        Plan& plan = **one.plan;
        plan.instance.name = held_.free_name(plan.instance.name, effect.generation);
        ports_.log.redactor().add_secret(plan.api_key);
        if (options_.policy.bug != PlantedBug::spawn_before_intent) {
            notes_.push_back(
                {.generation = effect.generation,
                 .host = effect.target.host,
                 .api_key = Secret{plan.api_key},
                 .runtime = plan.instance.runtime}
            );
        }
    }
}

Task<Event> BackendController::start(Generation generation) {
    HeldInstance& one = held_.of(generation);
    if (!*one.plan) {
        co_return StartFailed{generation, failure_from(one.plan->error())};
    }
    const runtime::InstanceSpec instance = (*one.plan)->instance;
    runtime::RuntimeDriver* driver = ports_.drivers(instance.runtime);
    if (store_behind_ && instance.runtime == runtime::RuntimeKind::docker) {
        co_return StartFailed{generation, not_on_record()};
    }
    one.gpu_free_before = co_await gpu_free(one);
    auto started = co_await driver->start(instance);
    if (!started) {
        co_return StartFailed{generation, failure_from(started.error())};
    }
    one.handle = *started;
    (*one.plan)->probe.endpoint = started->endpoint;
    tasks_.spawn("watch exit", watch_exit(*started));
    co_return Started{
        .generation = generation,
        .start_limit = (*one.plan)->start_limit,
        .stall_limit = (*one.plan)->stall_limit
    };
}

Task<void> BackendController::watch_exit(runtime::InstanceHandle handle) {
    runtime::RuntimeDriver* driver = ports_.drivers(handle.runtime);
    const Generation generation = handle.identity.generation;
    auto status = co_await driver->wait(handle);
    while (!status && knows(generation)) {
        // A runtime that cannot say is no engine that ended.
        co_await ports_.clock.sleep_for(kWaitRetry);
        status = co_await driver->wait(handle);
    }
    if (!knows(generation)) {
        co_return;
    }
    const FailureFacts facts = facts_of(generation);
    const std::string log = co_await tail_of(handle);
    if (state_.busy != Work::stop) {
        keep_failed_log(handle.log_path, options_.slot);
    }
    const runtime::ExitStatus ended = status.value_or(runtime::ExitStatus{});
    post(Exited{
        generation, read_failure(evidence_of(log, facts.at("engine"), ended), ended.text(), facts)
    });
}

Task<std::string> BackendController::tail_of(runtime::InstanceHandle handle, Bytes at_most) {
    runtime::RuntimeDriver* driver = ports_.drivers(handle.runtime);
    if (driver == nullptr) {
        co_return std::string{};
    }
    const auto log = co_await driver->log_tail(handle, at_most);
    co_return log ? ports_.log.redactor().clean(*log) : std::string{};
}

Task<Event> BackendController::probe(Generation generation) {
    Probed result{.generation = generation};
    const HeldInstance* one = held_.find(generation);
    if (one == nullptr || !one->plan || !*one->plan || !one->handle) {
        co_return result;
    }
    const TimePoint began = ports_.clock.now();
    const ProbeTarget target = (*one->plan)->probe;
    // With the counters' third a look ends before the next one is due.
    const auto limit =
        std::min(options_.policy.probe_limit, options_.policy.probe_interval * 2 / 3);
    const ProbeResult answer = co_await ports_.client.probe(target, within(limit));
    switch (answer.verdict) {
    case ProbeResult::Verdict::ready:
        result.verdict = Probed::Verdict::ready;
        break;
    case ProbeResult::Verdict::loading:
        result.verdict = Probed::Verdict::loading;
        break;
    case ProbeResult::Verdict::refused:
    case ProbeResult::Verdict::failed:
        break;
    }
    if (result.verdict != Probed::Verdict::ready || state_.busy == Work::load) {
        co_await notice_progress(generation, answer.progress);
    }
    result = co_await look_closer(result, answer.answered);
    result.took = ports_.clock.now() - began;
    co_return result;
}

Task<Event> BackendController::load(Target target, Generation generation) {
    const HeldInstance* one = held_.find(generation);
    if (one == nullptr || !one->plan || !*one->plan) {
        co_return LoadFailed{
            target.spec, failure_from({.code = ErrorCode::internal, .message = "There is no plan."})
        };
    }
    const ProbeTarget probe = (*one->plan)->probe;
    const bool many = (*one->plan)->models == engine::ModelsPerInstance::many;
    const auto* spec = spec_of(target.spec);
    engine::ResolvedModel model;
    if (const auto at = resolved_.find(target.spec); at != resolved_.end()) {
        model = at->second;
    } else if (spec != nullptr && many && !probe.external) {
        // Adopted: nothing was prepared for it, and a model may have to be given to the engine.
        const engine::BackendSpec copy = *spec;
        auto ensured = co_await ports_.weights.ensure(copy, [](const runtime::Progress&) {});
        if (!ensured) {
            co_return LoadFailed{target.spec, failure_from(ensured.error())};
        }
        model = std::move(*ensured);
        resolved_.insert_or_assign(target.spec, model);
    } else if (spec != nullptr) {
        model.id = spec->model;
    }
    const HeldInstance* held = held_.find(generation);
    const auto handle = held != nullptr ? held->handle : std::nullopt;
    const std::string before = handle ? co_await tail_of(*handle) : std::string{};
    const auto loaded = co_await ports_.client.load(
        probe, model,
        [this, generation](const runtime::Progress& progress) {
            report_progress("load", progress);
            Progressed moved{.generation = generation};
            if (progress.total && progress.total->count > 0) {
                moved.share = static_cast<double>(progress.done.count) /
                              static_cast<double>(progress.total->count);
            }
            post(moved);
        }
    );
    if (!loaded) {
        const std::string log = handle ? co_await tail_of(*handle) : std::string{};
        FailureFacts facts = facts_of(generation);
        if (spec != nullptr) {
            facts["model"] = model.id.value;
        }
        const FailureEvidence evidence{
            .log = written_since(before, log), .engine = facts.at("engine")
        };
        co_return LoadFailed{target.spec, failure_from(loaded.error(), evidence, facts)};
    }
    auto models = co_await ports_.client.models(probe, within(kModelsLimit));
    if (!models) {
        co_return LoadFailed{target.spec, failure_from(models.error())};
    }
    if (HeldInstance* still = held_.find(generation)) {
        still->models = std::move(models->ids);
        still->models_known = models->known;
    }
    co_return Loaded{target.spec};
}

// ---------------------------------------------------------------- traffic

UpstreamId BackendController::upstream_id(Generation generation) const {
    return {fmt::format("{}/{}", options_.slot.value, generation.value)};
}

UpstreamView BackendController::upstream_view(Generation generation) const {
    const HeldInstance& one = *held_.find(generation);
    const Plan& plan = **one.plan;
    const auto* spec = spec_of(state_.running->target.spec);
    return {
        .id = upstream_id(generation),
        .provider = spec != nullptr ? spec->engine.value : "none",
        .endpoint = plan.probe.endpoint,
        // One of the two is empty: a custom server's path is its user's, an engine's is data.
        .base_path = plan.probe.base_path + plan.api_base,
        .auth_header_name = plan.probe.auth_header_name,
        .auth_header_value = plan.probe.auth_header_value,
        .protocol = plan.probe.protocol,
        .models = one.models,
        .models_known = one.models_known,
        .embeds = plan.embeds
    };
}

SlotView BackendController::view() const {
    SlotView view;
    view.slot = options_.slot;
    view.open = open_view_;
    view.known_models = models_;
    const auto* spec = state_.desired ? spec_of(state_.desired->spec) : nullptr;
    view.provider = spec != nullptr ? spec->engine.value : "none";
    view.parked = state_.parked && !open_view_;
    if (open_view_ && (spec == nullptr || state_.desired->spec == state_.published)) {
        return view;
    }
    // Also while the old side still serves: what is wanted beside it is known and on its way.
    if (spec != nullptr) {
        const auto model = resolved_.find(state_.desired->spec);
        const std::string id =
            model == resolved_.end() ? spec->model.value : model->second.id.value;
        if (!id.empty() && std::ranges::find(view.known_models, id) == view.known_models.end()) {
            view.known_models.push_back(id);
        }
        if (!state_.given_up && !state_.leaving && !view.parked) {
            view.loading = loading_.value_or(LoadingView{.phase = {}, .progress = {}, .eta_s = {}});
            view.loading->phase = name(state_.phase);
        }
    }
    if (state_.error) {
        view.error = state_.error->error.detail;
    }
    return view;
}

// Publications go out one after the other, each with what is true when its turn comes.
Task<Result<void>> BackendController::push_view() {
    while (pushing_view_) {
        boost::system::error_code ignored;
        co_await view_pushed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    struct Turn {
        BackendController& owner;

        explicit Turn(BackendController& controller) : owner{controller} {
            owner.pushing_view_ = true;
        }

        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

        ~Turn() {
            owner.pushing_view_ = false;
            owner.view_pushed_.cancel();
        }
    } turn{*this};

    SlotView current = view();
    const auto published = co_await ports_.traffic.publish(std::move(current));
    if (!published) {
        co_return propagate(published);
    }
    co_return Result<void>{};
}

Task<Event> BackendController::publish(std::optional<UpstreamView> open) {
    open_view_ = std::move(open);
    const auto pushed = co_await push_view();
    if (!pushed) {
        ports_.log.warn("backend.publish", {{"error", pushed.error().message}});
        co_return PublishFailed{};
    }
    co_return Published{};
}

Task<Event> BackendController::drain(Generation generation, TimePoint deadline) {
    const std::size_t left =
        co_await ports_.traffic.drained(upstream_id(generation), Deadline{deadline});
    co_return Drained{left};
}

Task<Event> BackendController::cut(Generation generation) {
    co_await ports_.traffic.cut(upstream_id(generation));
    co_return CutDone{};
}

// ---------------------------------------------------------------- down

Task<Event> BackendController::stop(Stop effect) {
    using Force = runtime::RuntimeDriver::Force;
    const Force force = effect.force ? Force::kill : Force::graceful;
    Stopped result{.generation = effect.generation, .reading = {}};
    const HeldInstance* one = held_.find(effect.generation);
    if (one != nullptr && one->handle) {
        const runtime::InstanceHandle handle = *one->handle;
        runtime::RuntimeDriver* driver = ports_.drivers(handle.runtime);
        if (effect.why == Stop::Why::broken) {
            // Taken before the stop: what it says when it is ended is not why it had to go.
            result.reading = co_await why_broken(handle);
        }
        const auto free = co_await gpu_free(*one);
        const auto stopped = co_await driver->stop(handle, force);
        if (!stopped) {
            ports_.log.warn("backend.stop", {{"error", stopped.error().message}});
            co_return StopFailed{effect.generation};
        }
        co_await wait_for_memory(effect.generation, free);
        last_handle_ = handle;
    } else if (const auto swept = co_await stop_unheld(effect.generation, force); !swept) {
        ports_.log.warn("backend.stop", {{"error", swept.error().message}});
        co_return StopFailed{effect.generation};
    }
    held_.forget(effect.generation);
    forget_note(effect.generation);
    co_return result;
}

// nova goes, the engine stays: no request may be cut by the end of the process.
Task<void> BackendController::close_and_drain() {
    if (!open_view_) {
        co_return;
    }
    const UpstreamId upstream = open_view_->id;
    work_.abandon();
    open_view_.reset();
    const auto pushed = co_await push_view();
    ignore(pushed, "the process ends in any case");
    if (state_.retiring && !state_.retiring->drained) {
        co_await drain_and_cut(upstream_id(state_.retiring->generation));
    }
    co_await drain_and_cut(upstream);
}

Task<void> BackendController::drain_and_cut(UpstreamId upstream) {
    const std::size_t left =
        co_await ports_.traffic.drained(upstream, within(options_.policy.drain));
    if (left > 0) {
        co_await ports_.traffic.cut(upstream);
    }
}

}  // namespace nova::lifecycle

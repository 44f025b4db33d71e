// The loop: one event at a time, decided, committed, answered, performed.
#include "lifecycle/backend_controller.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/random.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::chrono::seconds kStoreRetry{1};

}  // namespace

BackendController::BackendController(
    asio::any_io_executor executor, ControllerPorts ports, ControllerOptions options
)
    : executor_{executor}, ports_{std::move(ports)}, options_{std::move(options)},
      arrival_{executor, asio::steady_timer::time_point::max()},
      view_pushed_{executor, asio::steady_timer::time_point::max()},
      work_{executor, ports_.clock, [this](Event event) { post(std::move(event)); }},
      preparation_{executor, ports_.clock, [this](Event event) { post(std::move(event)); }},
      probes_{executor, ports_.clock, [this](Event event) { post(std::move(event)); }},
      candidate_probes_{executor, ports_.clock, [this](Event event) { post(std::move(event)); }},
      tasks_{executor} {}

BackendController::~BackendController() = default;

Task<void> BackendController::run() {
    co_await load_record();
    since_ = ports_.clock.wall_now();
    post(Booted{});
    for (;;) {
        while (queue_.empty() && leaving_ != Leave::at_once && leaving_ != Leave::keep) {
            co_await wait_for_item();
        }
        if (leaving_ == Leave::at_once || leaving_ == Leave::keep) {
            break;
        }
        Item item = std::move(queue_.front());
        queue_.pop_front();
        co_await handle(std::move(item));
        if (leaving_ == Leave::stop && state_.phase == Phase::stopped &&
            state_.busy == Work::none) {
            break;
        }
    }
    if (leaving_ == Leave::keep) {
        co_await close_and_drain();
    }
    work_.abandon();
    preparation_.abandon();
    probes_.abandon();
    candidate_probes_.abandon();
    tasks_.cancel();
    for (Item& item : queue_) {
        if (item.waiting) {
            item.waiting->answer = fail(ErrorCode::unavailable, "nova is stopping.");
            item.waiting->done.cancel();
        }
    }
    queue_.clear();
    co_await work_.join();
    co_await preparation_.join();
    co_await probes_.join();
    co_await candidate_probes_.join();
    co_await tasks_.join();
}

void BackendController::leave(Leave how) {
    leaving_ = how;
    if (how == Leave::stop) {
        post(Leaving{});
    }
    arrival_.cancel();
}

void BackendController::post(Event event) {
    push(Item{.event = std::move(event), .waiting = {}, .spec = {}, .actor = {}});
}

void BackendController::push(Item item) {
    queue_.push_back(std::move(item));
    arrival_.cancel();
}

Task<void> BackendController::wait_for_item() {
    boost::system::error_code ignored;
    co_await arrival_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// ---------------------------------------------------------------- one event

Task<void> BackendController::handle(Item item) {
    if (std::holds_alternative<Woken>(item.event)) {
        waking_ = false;
    }
    if (item.spec) {
        specs_.insert_or_assign(engine::hash_of(*item.spec), *item.spec);
    }
    Step step = transition(state_, item.event, ports_.clock.now(), options_.policy);
    for (const Effect& effect : step.effects) {
        if (const auto* start = std::get_if<Start>(&effect)) {
            plan_start(*start);  // before the commit: the key it gets belongs into the record
        }
    }
    const bool dirty = std::exchange(operation_dirty_, false);
    Draft draft{
        .state = std::move(step.state),
        .operation = operation_,
        .changed = unsaved_,
        .dirty = dirty,
        .last_failure = last_failure_
    };
    draft_phase_end(draft, item.event);
    draft_last_failure(draft, step.effects);
    draft_operations(draft, item, step.effects);
    draft_writes(draft);
    if (options_.policy.bug == PlantedBug::accepted_before_commit && item.waiting) {
        operation_ = draft.operation;
        answer(*item.waiting, draft.opened);
    }
    const auto committed = co_await commit(draft);
    if (!committed && item.waiting) {
        // Nothing was accepted: the world goes on as it was (contract.md 7).
        operation_dirty_ = operation_dirty_ || dirty;
        item.waiting->answer = propagate(committed);
        item.waiting->done.cancel();
        co_return;
    }
    const bool adopted = !state_.running && draft.state.running && draft.state.running->adopted;
    const Phase before = state_.phase;
    if (options_.on_step) {
        step.state = draft.state;
        options_.on_step(state_, item.event, step);
    }
    state_ = std::move(draft.state);
    operation_ = std::move(draft.operation);
    last_failure_ = std::move(draft.last_failure);
    note_commit(draft, committed);
    if (item.waiting) {
        answer(*item.waiting, draft.opened);
    }
    if (adopted) {
        adopt();
    }
    for (const Effect& effect : step.effects) {
        perform(effect);
    }
    if (before != state_.phase) {
        phase_changed(before);
    }
    forget_unused_specs();
    schedule_tick();
}

void BackendController::answer(Waiting& waiting, bool opened) const {
    waiting.answer = Accepted{
        .operation = operation_ ? operation_->id : OperationId{},
        .generation = state_.wish      ? state_.wish->generation
                      : state_.desired ? state_.desired->generation
                                       : Generation{state_.counter},
        .already = !opened
    };
    waiting.done.cancel();
}

void BackendController::phase_changed(Phase before) {
    ports_.log.info(
        "backend.phase", {{"slot", options_.slot.value},
                          {"from", std::string{name(before)}},
                          {"to", std::string{name(state_.phase)}},
                          {"error", state_.error ? state_.error->error.detail : ""}}
    );
    since_ = ports_.clock.wall_now();
    loading_.reset();
    tasks_.spawn("refresh view", refresh_view());
}

// One sleeper per due time is enough; those that wake early for nothing do no harm.
void BackendController::schedule_tick() {
    auto wake = next_wake(state_, options_.policy);
    if (store_behind_) {
        const TimePoint again = ports_.clock.now() + kStoreRetry;
        wake = wake ? std::min(*wake, again) : again;
    }
    if (wake && (ticks_.empty() || *wake < *ticks_.begin())) {
        ticks_.insert(*wake);
        tasks_.spawn("tick", tick_at(*wake));
    }
}

Task<void> BackendController::tick_at(TimePoint time) {
    co_await ports_.clock.sleep_until(time);
    ticks_.erase(time);
    post(Tick{});
}

// ---------------------------------------------------------------- from outside

Task<Result<Accepted>> BackendController::ask(Item item) {
    if (leaving_) {
        co_return fail(ErrorCode::unavailable, "nova is stopping.");
    }
    const auto waiting = std::make_shared<Waiting>(executor_);
    item.waiting = waiting;
    push(std::move(item));
    while (!waiting->answer) {
        boost::system::error_code ignored;
        co_await waiting->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return *waiting->answer;
}

Task<Result<Accepted>> BackendController::set_desired(Wish wish) {
    Item item{.event = Wished{}, .waiting = {}, .spec = wish.spec, .actor = wish.actor};
    if (wish.spec) {
        auto host = host_of(*wish.spec);
        if (!host) {
            co_return propagate(host);
        }
        // Options and URL are checked before anything is accepted; the model is looked for later.
        const auto plan = ports_.planner(
            *wish.spec, engine::ResolvedModel{.id = wish.spec->model, .path = {}, .size = {}},
            {options_.install, options_.slot, {}, *host}
        );
        if (!plan) {
            co_return propagate(plan);
        }
        item.event = Wished{Target{
            .spec = engine::hash_of(*wish.spec),
            .host = *host,
            .generation = {},
            .strategy = wish.strategy.value_or(options_.strategy)
        }};
    }
    co_return co_await ask(std::move(item));
}

Task<Result<void>> BackendController::cancel(OperationId operation) {
    if (operation_ && operation_->id == operation && !finished(operation_->state)) {
        const Generation generation = operation_->generation;
        const auto done = co_await ask(
            Item{.event = CancelWished{generation}, .waiting = {}, .spec = {}, .actor = {}}
        );
        if (!done) {
            co_return propagate(done);
        }
        co_return Result<void>{};
    }
    const auto row = co_await ports_.store.operation(operation);
    if (!row) {
        co_return propagate(row);
    }
    if (*row) {
        co_return fail(ErrorCode::conflict, "The operation has ended already.");
    }
    co_return fail(ErrorCode::not_found, "There is no such operation.");
}

BackendStatus BackendController::status() const {
    BackendStatus status;
    status.slot = options_.slot;
    status.phase = state_.phase;
    status.since = since_;
    status.generation = state_.desired ? state_.desired->generation : Generation{state_.counter};
    status.attempts = state_.attempts;
    const auto& shown = state_.desired   ? state_.desired
                        : state_.running ? std::optional{state_.running->target}
                                         : std::nullopt;
    if (shown) {
        if (const auto* spec = spec_of(shown->spec)) {
            status.backend = spec->engine.value;
            status.model = spec->model.value;
            if (state_.desired) {
                status.wanted = *spec;
            }
        }
    }
    if (state_.last_good) {
        if (const auto* spec = spec_of(state_.last_good->spec)) {
            status.last_good = *spec;
        }
    }
    if (state_.phase == Phase::ready && state_.running && state_.running->loaded) {
        const auto model = resolved_.find(*state_.running->loaded);
        const auto* spec = spec_of(*state_.running->loaded);
        status.active_model = model != resolved_.end() ? model->second.id.value
                              : models_.size() == 1    ? models_.front()
                              : spec != nullptr        ? spec->model.value
                                                       : "";
    }
    if (state_.retry_at) {
        status.retry_at =
            ports_.clock.wall_now() +
            std::chrono::duration_cast<WallTime::duration>(*state_.retry_at - ports_.clock.now());
    }
    if (state_.error) {
        status.error = state_.error->error;
    }
    status.last_failure = last_failure_;
    if (operation_ && !finished(operation_->state)) {
        status.operation = operation_->id;
        for (const OperationPhase& phase : operation_->phases) {
            if (phase.state == "running") {
                status.step = phase.id;
            }
        }
    }
    if (const auto* handle = running_handle()) {
        status.instance = *handle;
    }
    return status;
}

Task<Result<std::string>> BackendController::log_tail(std::size_t lines) {
    const auto* running = running_handle();
    const auto handle = running != nullptr ? std::optional{*running} : last_handle_;
    if (!handle) {
        co_return fail(
            ErrorCode::not_found, "No engine has run yet, so there is no log.", "Start one first."
        );
    }
    runtime::RuntimeDriver* driver = ports_.drivers(handle->runtime);
    if (driver == nullptr) {
        co_return fail(ErrorCode::unavailable, "The runtime of the last instance is away.");
    }
    const auto text = co_await driver->log_tail(*handle, mib(1));
    if (!text) {
        co_return propagate(text);
    }
    std::string clean = ports_.log.redactor().clean(*text);
    std::size_t at = clean.size();
    for (std::size_t i = 0; i <= lines && at != std::string::npos; ++i) {
        at = at == 0 ? std::string::npos : clean.rfind('\n', at - 1);
    }
    co_return at == std::string::npos ? clean : clean.substr(at + 1);
}

// ---------------------------------------------------------------- what is behind the hashes

Result<SpecHash> BackendController::host_of(const engine::BackendSpec& spec) const {
    const auto models = ports_.models_of(spec.engine);
    if (!models) {
        return propagate(models);
    }
    engine::BackendSpec host = spec;
    if (*models == engine::ModelsPerInstance::many) {
        host.model = {};
    }
    return engine::hash_of(host);
}

const engine::BackendSpec* BackendController::spec_of(const SpecHash& hash) const {
    const auto at = specs_.find(hash);
    return at == specs_.end() ? nullptr : &at->second;
}

void BackendController::forget_unused_specs() {
    std::set<SpecHash> used;
    for (const auto& target :
         {state_.desired, state_.before, state_.last_good, state_.preparing, state_.loading}) {
        if (target) {
            used.insert(target->spec);
        }
    }
    for (const auto* one : {&state_.running, &state_.candidate, &state_.retiring}) {
        if (*one) {
            used.insert((*one)->target.spec);
            used.insert((*one)->loaded.value_or((*one)->target.spec));
            used.insert((*one)->unused.value_or((*one)->target.spec));
        }
    }
    if (state_.prepared) {  // wanted again, it starts without being prepared a second time
        used.insert(*state_.prepared);
    }
    for (const Item& item : queue_) {
        if (item.spec) {
            used.insert(engine::hash_of(*item.spec));
        }
    }
    std::erase_if(specs_, [&](const auto& entry) { return !used.contains(entry.first); });
    std::erase_if(resolved_, [&](const auto& entry) { return !used.contains(entry.first); });
}

}  // namespace nova::lifecycle

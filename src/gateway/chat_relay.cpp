// The steps of a request: admit, read, plan, wait, then one attempt after the other.
#include "gateway/chat_relay.hpp"

#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gateway/load_wait.hpp"
#include "gateway/miss_wait.hpp"
#include "gateway/provider_attempt.hpp"
#include "gateway/relay_errors.hpp"
#include "gateway/token_count.hpp"
#include "gateway/translated_answer.hpp"

namespace nova::gateway {
namespace {

// Counts a request for as long as it holds its lease on a provider of this machine.
class Inflight {
public:
    Inflight(WorkerCounters& counters, const Upstream& upstream)
        : counters_{upstream.where == Where::local ? &counters : nullptr} {
        change(1);
    }

    Inflight(const Inflight&) = delete;
    Inflight& operator=(const Inflight&) = delete;

    ~Inflight() { change(-1); }

private:
    void change(std::int64_t by) {
        if (counters_ != nullptr) {
            counters_->inflight.fetch_add(by, std::memory_order_relaxed);
        }
    }

    WorkerCounters* counters_;
};

bool streams(const RelayRoute& route, const RequestPeek& peek) {
    switch (route.streaming) {
    case Streaming::if_asked:
        return peek.stream;
    case Streaming::unless_refused:
        return !peek.stream_given || peek.stream;
    case Streaming::always:
        return true;
    case Streaming::never:
        break;
    }
    return false;
}

RoutePlan plan_for(const RelayJob& job) {
    return plan_route(
        *job.worker.table,
        RouteRequest{
            .model = job.peek.model,
            .use = job.route.operation == Operation::embedding ? Use::embedding : Use::generation,
            .access = job.access.get(),
        }
    );
}

// Who is kept away by its breaker.
Error kept_away(const Upstream& upstream, const Breaker& breaker, TimePoint now) {
    const std::string_view why = word(breaker.why());
    return Error{
        .code = breaker.why() == Breaker::Why::limited ? ErrorCode::rate_limited
                                                       : ErrorCode::unavailable,
        .message = fmt::format("{} is left alone for now ({}).", upstream.provider, why),
        .word = std::string{why},
        .retry_after = breaker.left(now),
    };
}

Error gate_closed(const Upstream& upstream) {
    return Error{
        .code = ErrorCode::unavailable,
        .message = fmt::format("{} is being stopped or switched.", upstream.provider),
        .word = "backend_switched",
        .retry_after = std::chrono::seconds{5},
    };
}

// Everything that can be said of a step before its provider is asked.
struct Prepared {
    ProviderRequest request{};
    std::optional<Breaker::Permit> permit{};
    std::optional<Gate::Lease> lease{};
};

Result<void> prepare(RelayJob& job, const RouteStep& step, Prepared& prepared) {
    auto request = request_for(job, step);
    if (!request) {
        return propagate(request);
    }
    prepared.request = std::move(*request);
    if (Breaker* const breaker = job.worker.breaker_of(step.upstream->id)) {
        const TimePoint now = job.worker.clock.now();
        auto permit = breaker->try_enter(now);
        if (!permit) {
            return fail(kept_away(*step.upstream, *breaker, now));
        }
        prepared.permit.emplace(std::move(*permit));
    }
    // Of the first step nobody has waited since the plan; later ones may find the gate closed.
    prepared.lease = job.worker.enter(*step.upstream);
    if (!prepared.lease) {
        return fail(gate_closed(*step.upstream));
    }
    return {};
}

// What is left to say when a step has ended and no other follows.
struct Last {
    Error error{};
    std::optional<Refusal> refusal{};
};

Task<void> pass_refusal(RelayJob& job, const Refusal& refusal, const Error& error) {
    const OwnFields own{job, job.answering.get()};
    std::vector<net::HeaderView> headers{own.view().begin(), own.view().end()};
    for (const auto& [name, value] : refusal.headers) {
        headers.push_back({name, value});
    }
    std::string seconds;
    if (error.retry_after) {
        seconds = std::to_string(error.retry_after->count());
        headers.push_back({"Retry-After", seconds});
    }
    job.status = refusal.status;
    ignore(
        co_await job.exchange.respond(refusal.status, refusal.content_type, refusal.body, headers),
        "the client may be gone"
    );
}

// The client's own mistake: nobody would have answered better.
bool is_final_word(const Ending& ending) {
    return ending.how == Ended::bad_request ||
           (ending.how == Ended::status && !falls_back(ending.status, ending.cloud));
}

Task<void> say_so(RelayJob& job, const Ending& ending, const Last& last) {
    const bool final_word = is_final_word(ending);
    if (!final_word) {
        job.worker.counters.upstream_failed.fetch_add(1, std::memory_order_relaxed);
    }
    job.end = ending.how == Ended::bad_request ? RequestEnd::refused
              : final_word                     ? RequestEnd::served
              : ending.how == Ended::cut       ? RequestEnd::cut
                                               : RequestEnd::failed;
    if (last.refusal && (final_word || job.given_up.size() == 1)) {
        co_await pass_refusal(job, *last.refusal, last.error);
        co_return;
    }
    co_await answer_error(job, final_word ? last.error : error_of_all(job));
}

// Ends a request that was not served; false: the next step comes.
Task<bool> conclude(RelayJob& job, const Ending& ending, bool another, const Last& last) {
    switch (next_step(ending, another)) {
    case Next::finish:
        co_return true;  // nothing is left to say
    case Next::try_fresh:
    case Next::try_next:
        co_return false;
    case Next::say_so:
        co_await say_so(job, ending, last);
        co_return true;
    case Next::end_stream:
        job.end = ending.how == Ended::cut ? RequestEnd::cut : RequestEnd::failed;
        job.worker.counters.upstream_failed.fetch_add(1, std::memory_order_relaxed);
        co_return true;
    case Next::leave:
        job.end = RequestEnd::client_left;
        job.worker.counters.client_left.fetch_add(1, std::memory_order_relaxed);
        job.exchange.abort();
        co_return true;
    }
    co_return true;
}

// A provider that is being asked.
struct Asking {
    Asking(RelayJob& job, const RouteStep& step, Prepared& prepared)
        : inflight{job.worker.counters, *step.upstream},
          use{job.worker.meter_of(*step.upstream), job.worker.clock},
          attempt{
              job, step.upstream, prepared.request, prepared.permit ? &*prepared.permit : nullptr
          } {}

    Inflight inflight;
    UpstreamUse use;
    Attempt attempt;
};

// What one step needs, beside its coroutine's frame: with all of it the frame would be larger than
// what Asio keeps for the next one, and made anew for every request.
struct Taken {
    Prepared prepared{};
    Last last{};
    std::optional<Asking> asking{};
};

// Empty: the provider can be asked.
std::optional<Ending> unprepared(RelayJob& job, const RouteStep& step, Taken& taken) {
    const auto ready = prepare(job, step, taken.prepared);
    if (ready) {
        return std::nullopt;
    }
    const bool mistake = ready.error().code == ErrorCode::invalid_argument;
    taken.last.error = ready.error();
    if (!mistake) {
        job.give_up(*step.upstream, ready.error());
    }
    return Ending{.how = mistake ? Ended::bad_request : Ended::refused};
}

// The provider was asked: what is kept of it, and everything held for it goes back.
void settle(RelayJob& job, const RouteStep& step, Taken& taken, const Ending& ending) {
    if (!taken.asking) {
        return;
    }
    Attempt& attempt = taken.asking->attempt;
    std::optional<Breaker::Permit>& permit = taken.prepared.permit;
    if (permit && ending.how != Ended::served) {
        permit->ended(health_of(ending), job.worker.clock.now(), attempt.retry_after);
    }
    taken.last.error = std::move(attempt.error);
    taken.last.refusal = std::move(attempt.refusal);
    taken.asking.reset();
    taken.prepared.lease.reset();
    permit.reset();
    const bool answered = ending.how == Ended::served || ending.how == Ended::client_left;
    if (!answered && !is_final_word(ending)) {
        job.give_up(*step.upstream, taken.last.error);
    }
}

// One step of the plan; true when the request has ended with it.
Task<bool> take_step(RelayJob& job, const RouteStep& step, bool another) {
    job.answering = step.upstream;
    job.upstream_model = step.model;
    const auto taken = std::make_unique<Taken>();
    auto ending = unprepared(job, step, *taken);
    if (!ending) {
        if (taken->prepared.request.asks_nothing) {
            ending = co_await answer_nothing(job);
        } else {
            ++job.attempts;
            taken->asking.emplace(job, step, taken->prepared);
            ending = co_await run_attempt(taken->asking->attempt);
        }
        settle(job, step, *taken, *ending);
    }
    if (ending->how == Ended::served) {
        job.end = RequestEnd::served;
        ignore(co_await job.exchange.end(), "everything was delivered that could be");
        co_return true;
    }
    co_return co_await conclude(job, *ending, another, taken->last);
}

Task<void> follow(RelayJob& job) {
    if (const auto entered = job.enter(); !entered) {
        job.end = RequestEnd::refused;
        job.worker.counters.refused.fetch_add(1, std::memory_order_relaxed);
        co_await answer_error(job, entered.error());
        co_return;
    }
    const std::vector<RouteStep> steps = std::move(job.plan.attempts);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (co_await take_step(job, steps[i], i + 1 < steps.size())) {
            co_return;
        }
    }
}

// Who is it, and what does it want. Error: what it is answered.
Task<Result<void>> receive(RelayJob& job) {
    auto access = job.worker.access_of(job.exchange);
    if (!access) {
        co_return propagate(access);
    }
    job.access = std::move(*access);
    auto body = co_await job.exchange.read_body(job.worker.policy.body_bytes);
    if (!body) {
        co_return propagate(body);
    }
    job.body = std::move(*body);
    auto peek = job.worker.peeker.peek(
        job.body,
        job.route.model_optional ? RequestPeeker::Model::optional : RequestPeeker::Model::required
    );
    if (!peek) {
        co_return propagate(peek);
    }
    job.peek = std::move(*peek);
    job.stream = streams(job.route, job.peek);
    if (job.peek.model.empty()) {
        job.choose_model();
    }
    co_return Result<void>{};
}

// The model is missed, or on its way.
Task<WaitEnd> wait_for_plan(RelayJob& job) {
    WorkerState& worker = job.worker;
    const bool allowed = !job.access || job.access->may_use_model(job.peek.model);
    if (is_unknown(job.plan) && allowed) {
        const auto found = [&job] {
            job.plan = plan_for(job);
            return !is_unknown(job.plan);
        };
        const WaitEnd end = co_await look_once_more(job.exchange, worker, job.access.get(), found);
        if (end == WaitEnd::client_left) {
            co_return end;
        }
    }
    if (!job.plan.loading || job.route.operation == Operation::count_tokens) {
        co_return WaitEnd::look_at_plan;
    }
    co_return co_await wait_for_model(job.exchange, worker, job.plan, [&job] {
        return plan_for(job);
    });
}

}  // namespace

Task<void> relay(net::Exchange& exchange, WorkerState& worker, const RelayRoute& route) {
    worker.counters.requests.fetch_add(1, std::memory_order_relaxed);
    // Not in the frame, as above.
    const auto own = std::make_unique<RelayJob>(exchange, worker, route);
    RelayJob& job = *own;
    if (const auto received = co_await receive(job); !received) {
        job.end = RequestEnd::refused;
        co_await answer_error(job, received.error());
        co_return;
    }
    job.plan = plan_for(job);
    if (job.plan.refusal || job.plan.loading) {
        if (co_await wait_for_plan(job) == WaitEnd::client_left) {
            worker.counters.client_left.fetch_add(1, std::memory_order_relaxed);
            exchange.abort();
            co_return;
        }
    }
    const bool counts = job.route.operation == Operation::count_tokens;
    if (counts) {
        keep_who_counts(job.plan);
    }
    if (job.plan.refusal) {
        co_await answer_refusal(job);
        co_return;
    }
    if (counts && job.plan.attempts.empty()) {
        co_await answer_estimate(job);
        co_return;
    }
    if (job.plan.loading) {
        job.passed_over = "local(" + job.plan.loading->phase + ")";
    }
    co_await follow(job);
}

}  // namespace nova::gateway

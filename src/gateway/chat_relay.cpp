// The relay: bytes pass through unchanged, one piece at a time, and only then the next is read.
#include "gateway/chat_relay.hpp"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gateway/load_wait.hpp"
#include "gateway/openai_error.hpp"
#include "gateway/router.hpp"
#include "gateway/sse_border.hpp"
#include "gateway/upstream_request.hpp"

namespace nova::gateway {
namespace {

enum class Outcome : std::uint8_t { done, client_left, upstream_failed, cut, try_fresh };

// Everything one attempt needs; on the coroutine's frame, so that every exit cleans up.
struct Attempt {
    net::Exchange& exchange;
    WorkerState& worker;
    std::shared_ptr<const Upstream> upstream;
    std::string_view head;
    std::string_view body;
    ActiveRelay active{};
    Error error{};  // why, when the outcome is upstream_failed
    bool waited_as_preferred = false;
    UpstreamMeter* meter = nullptr;
    std::uint64_t metered = 0;  // of the connection's bytes_received()

    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

    Attempt(
        net::Exchange& the_exchange, WorkerState& the_worker,
        std::shared_ptr<const Upstream> the_upstream, std::string_view the_head,
        std::string_view the_body
    )
        : exchange{the_exchange}, worker{the_worker}, upstream{std::move(the_upstream)},
          head{the_head}, body{the_body} {
        active.upstream = upstream.get();
        active.exchange = &exchange;
        worker.add(active);
        exchange.watch_client([this] {
            active.client_left = true;
            active.interrupt();
        });
    }

    ~Attempt() {
        exchange.unwatch_client();
        worker.remove(active);
    }

    void count_bytes(const net::UpstreamConnection& from) {
        if (meter != nullptr) {
            meter->add_bytes(from.bytes_received() - metered);
            metered = from.bytes_received();
        }
    }

    // What a failed read or write of the upstream means.
    Outcome failed(Error reason) {
        if (active.client_left) {
            return Outcome::client_left;
        }
        if (active.cut) {
            error = Error{
                .code = ErrorCode::unavailable,
                .message = "The backend is being stopped or switched; this answer was cut.",
                .word = "backend_switched",
                .retry_after = std::chrono::seconds{5},
            };
            return Outcome::cut;
        }
        error = std::move(reason);
        if (error.code != ErrorCode::timeout) {
            error.code = ErrorCode::upstream_failed;
        }
        error.message = fmt::format("{} failed: {}", upstream->provider, error.message);
        return Outcome::upstream_failed;
    }
};

constexpr std::string_view kEventStream = "text/event-stream";
constexpr net::HeaderView kPreferenceApplied{"Preference-Applied", "wait"};

bool is_event_stream(const net::ResponseHead& head) {
    return head.headers.find("Content-Type").starts_with(kEventStream) &&
           !head.headers.has("Content-Encoding");
}

// Sends one piece of an event stream, whole events first.
Task<Result<void>> forward(net::Exchange& exchange, SseHold& hold, std::string_view piece) {
    const SseHold::Split split = hold.split(piece);
    if (!split.held.empty()) {
        const auto sent = co_await exchange.write(split.held);
        if (!sent) {
            co_return propagate(sent);
        }
    }
    if (!split.now.empty()) {
        const auto sent = co_await exchange.write(split.now);
        if (!sent) {
            co_return propagate(sent);
        }
    }
    hold.keep(split);
    co_return Result<void>{};
}

// After the first byte: a stream gets one error event, anything else is visibly cut.
Task<void> end_badly(Attempt& attempt, bool event_stream) {
    if (!event_stream) {
        attempt.exchange.abort();
        co_return;
    }
    const std::string event = openai_error_event(attempt.error);
    const auto sent = co_await attempt.exchange.write(event);
    if (sent) {
        ignore(co_await attempt.exchange.end(), "the client is gone, there is nobody to tell");
    }
}

Task<Outcome> relay_body(Attempt& attempt, net::UpstreamConnection& upstream, bool event_stream) {
    std::optional<SseHold> hold;
    if (event_stream) {
        hold.emplace(attempt.worker.policy.held_event_bytes);
    }
    SseHold* const held = hold ? &*hold : nullptr;
    for (;;) {
        auto buffered = upstream.buffered_body();
        if (!buffered) {
            upstream.connection().expire_at(
                attempt.worker.clock.now() + attempt.worker.policy.idle_timeout
            );
            buffered = co_await upstream.read_body_some();
        }
        attempt.count_bytes(upstream);
        const auto& piece = *buffered;
        if (!piece) {
            const Outcome outcome = attempt.failed(piece.error());
            if (outcome != Outcome::client_left) {
                co_await end_badly(attempt, event_stream);
            }
            co_return outcome;
        }
        if (piece->empty()) {
            break;
        }
        const auto sent = held == nullptr ? co_await attempt.exchange.write(*piece)
                                          : co_await forward(attempt.exchange, *held, *piece);
        if (!sent) {
            co_return Outcome::client_left;
        }
    }
    if (held != nullptr && !held->held().empty()) {
        const auto sent = co_await attempt.exchange.write(held->held());
        if (!sent) {
            co_return Outcome::client_left;
        }
    }
    co_return Outcome::done;
}

Task<Outcome>
relay_answer(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head) {
    if (head.status == 401 || head.status == 403) {
        // Not the client's key was refused but ours (reference/gateway.md, trap 63).
        attempt.error = Error{
            .code = ErrorCode::upstream_failed,
            .message = fmt::format(
                "{} refused nova's credentials (HTTP {}).", attempt.upstream->provider, head.status
            ),
            .word = "upstream_auth_error",
            .remedy = "Give the right --auth-header when starting it.",
        };
        co_return Outcome::upstream_failed;
    }
    const bool event_stream = is_event_stream(head);
    AnswerHeaders headers{*attempt.upstream, head};
    if (attempt.waited_as_preferred) {
        headers.add(kPreferenceApplied);
    }
    attempt.exchange.begin(head.status, headers.view(), headers.length());
    if (event_stream) {
        // Clients show that generation began by the head; it must not wait for the first token.
        const auto flushed = co_await attempt.exchange.flush();
        if (!flushed) {
            co_return Outcome::client_left;
        }
    }
    co_return co_await relay_body(attempt, upstream, event_stream);
}

Task<Outcome> exchange_messages(Attempt& attempt, net::UpstreamPool::Acquired& acquired) {
    net::UpstreamConnection& upstream = *acquired.connection;
    upstream.connection().expire_at(
        attempt.worker.clock.now() + attempt.worker.policy.head_timeout
    );
    const auto sent = co_await upstream.send(attempt.head, attempt.body, "POST");
    attempt.metered = 0;  // send() has begun its count anew
    Result<const net::ResponseHead*> head = nullptr;
    if (sent) {
        head = co_await upstream.read_head();
        attempt.count_bytes(upstream);
    } else {
        head = propagate(sent);
    }
    if (!head) {
        const bool interrupted = attempt.active.client_left || attempt.active.cut;
        if (acquired.reused && upstream.bytes_received() == 0 && !interrupted &&
            head.error().code != ErrorCode::timeout) {
            co_return Outcome::try_fresh;  // trap 26: it had closed the idle connection
        }
        co_return attempt.failed(head.error());
    }
    co_return co_await relay_answer(attempt, upstream, **head);
}

Task<Outcome> try_once(Attempt& attempt, net::UpstreamPool::Freshness freshness) {
    WorkerState& worker = attempt.worker;
    Result<net::UpstreamPool::Acquired> acquired;
    if (freshness == net::UpstreamPool::Freshness::any) {
        if (auto idle = worker.pool.take_idle(attempt.upstream->endpoint)) {
            acquired = *std::move(idle);
        }
    }
    if (!acquired->connection) {
        const Deadline deadline = Deadline::in(worker.clock, worker.policy.dial_timeout);
        acquired = co_await worker.pool.acquire(
            attempt.upstream->endpoint, deadline, net::UpstreamPool::Freshness::fresh
        );
    }
    if (!acquired) {
        worker.events.connect_refused(attempt.upstream->id);
        co_return attempt.failed(acquired.error());
    }
    attempt.active.connection = acquired->connection.get();
    if (attempt.active.client_left || attempt.active.cut) {
        attempt.active.interrupt();  // it happened while we dialled
    }
    const Outcome outcome = co_await exchange_messages(attempt, *acquired);
    attempt.active.connection = nullptr;
    // Towards an instance that goes away nothing is kept: it would lie there closed by its peer.
    const auto* gate = worker.find_gate(attempt.upstream->id);
    if (gate != nullptr && !gate->gate.closed()) {
        worker.pool.release(attempt.upstream->endpoint, std::move(acquired->connection));
    }
    worker.counters.idle_upstreams.store(
        static_cast<std::int64_t>(worker.pool.idle()), std::memory_order_relaxed
    );
    co_return outcome;
}

Task<void> refuse(net::Exchange& exchange, WorkerState& worker, const RoutePlan& plan) {
    worker.counters.refused.fetch_add(1, std::memory_order_relaxed);
    const Error& error = *plan.refusal;
    if (!plan.loading) {
        ignore(co_await exchange.respond_error(error), "the client may be gone");
        co_return;
    }
    const std::string body = openai_error_body(error, *plan.loading);
    const std::string wait =
        std::to_string(error.retry_after.value_or(std::chrono::seconds{2}).count());
    const std::array<net::HeaderView, 2> headers{{{"Retry-After", wait}, kPreferenceApplied}};
    const std::span<const net::HeaderView> sent{headers.data(), plan.waited_as_preferred ? 2U : 1U};
    const int status = policy(error.code).http_status;
    ignore(
        co_await exchange.respond(status, "application/json", body, sent), "the client may be gone"
    );
}

// Counts a request for as long as it holds its lease, whatever way it ends.
struct Inflight {
    explicit Inflight(WorkerCounters& the_counters) : counters{the_counters} {
        counters.inflight.fetch_add(1, std::memory_order_relaxed);
    }

    ~Inflight() { counters.inflight.fetch_sub(1, std::memory_order_relaxed); }

    Inflight(const Inflight&) = delete;
    Inflight& operator=(const Inflight&) = delete;
    WorkerCounters& counters;
};

Task<Outcome> attempt_on(
    net::Exchange& exchange, WorkerState& worker, std::shared_ptr<const Upstream> upstream,
    std::string_view head, std::string_view body, bool waited_as_preferred, Error& error
) {
    const UpstreamUse use{worker.meter_of(*upstream), worker.clock};
    Attempt attempt{exchange, worker, std::move(upstream), head, body};
    attempt.meter = worker.meter_of(*attempt.upstream);
    attempt.waited_as_preferred = waited_as_preferred;
    Outcome outcome = co_await try_once(attempt, net::UpstreamPool::Freshness::any);
    if (outcome == Outcome::try_fresh) {
        outcome = co_await try_once(attempt, net::UpstreamPool::Freshness::fresh);
    }
    error = std::move(attempt.error);
    co_return outcome;
}

void count(WorkerState& worker, Outcome outcome) {
    switch (outcome) {
    case Outcome::done:
    case Outcome::try_fresh:
        return;
    case Outcome::client_left:
        worker.counters.client_left.fetch_add(1, std::memory_order_relaxed);
        return;
    case Outcome::upstream_failed:
    case Outcome::cut:
        worker.counters.upstream_failed.fetch_add(1, std::memory_order_relaxed);
        return;
    }
}

// Runs the plan's first attempt; the order of providers and falling back arrive with the clouds.
Task<void> follow(
    net::Exchange& exchange, WorkerState& worker, RoutePlan plan, std::string body,
    std::string_view api_path
) {
    const std::shared_ptr<const Upstream> upstream = plan.attempts.front().upstream;
    const std::string head =
        upstream_request_head(*upstream, api_path, exchange.request(), body.size());
    Error error;
    Outcome outcome = Outcome::upstream_failed;
    {
        auto lease = worker.enter(*upstream);
        NOVA_CHECK(lease.has_value());  // the table and its gates change together
        const Inflight inflight{worker.counters};
        outcome = co_await attempt_on(
            exchange, worker, upstream, head, body, plan.waited_as_preferred, error
        );
    }
    count(worker, outcome);
    switch (outcome) {
    case Outcome::done:
        ignore(co_await exchange.end(), "everything was delivered that could be");
        co_return;
    case Outcome::client_left:
        exchange.abort();
        co_return;
    case Outcome::upstream_failed:
    case Outcome::cut:
    case Outcome::try_fresh:
        if (!exchange.started()) {
            ignore(co_await exchange.respond_error(error), "the client may be gone");
        }
        co_return;
    }
}

std::optional<Error> unreadable_coding(const net::RequestHead& request) {
    const std::string_view coding = request.headers.find("Content-Encoding");
    if (coding.empty() || net::equal_ignoring_case(coding, "identity")) {
        return std::nullopt;
    }
    return Error{
        .code = ErrorCode::invalid_argument,
        .message = fmt::format("The Content-Encoding `{}` is not understood here.", coding),
        .word = "unsupported_content_encoding",
        .remedy = "Send the request body uncompressed.",
    };
}

}  // namespace

Task<void> relay(net::Exchange& exchange, WorkerState& worker, std::string_view api_path) {
    worker.counters.requests.fetch_add(1, std::memory_order_relaxed);
    if (const auto error = unreadable_coding(exchange.request())) {
        ignore(co_await exchange.respond_error(*error), "the client may be gone");
        co_return;
    }
    auto body = co_await exchange.read_body(worker.policy.body_bytes);
    if (!body) {
        ignore(co_await exchange.respond_error(body.error()), "the client may be gone");
        co_return;
    }
    const auto peek = worker.peeker.peek(*body);
    if (!peek) {
        ignore(co_await exchange.respond_error(peek.error()), "the client may be gone");
        co_return;
    }
    const Use use = api_path == "/embeddings" ? Use::embedding : Use::generation;
    const auto route = [&] { return plan_route(*worker.table, peek->model, use); };
    RoutePlan plan = route();
    if (plan.loading) {
        const WaitEnd end = co_await wait_for_model(exchange, worker, plan, route);
        if (end == WaitEnd::client_left) {
            worker.counters.client_left.fetch_add(1, std::memory_order_relaxed);
            exchange.abort();
            co_return;
        }
    }
    if (plan.refusal) {
        co_await refuse(exchange, worker, plan);
        co_return;
    }
    if (const std::string& model = plan.attempts.front().model; !model.empty()) {
        *body = with_model(std::move(*body), *peek, model);
    }
    co_await follow(exchange, worker, std::move(plan), std::move(*body), api_path);
}

}  // namespace nova::gateway

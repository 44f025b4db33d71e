// From the choice of a connection to the head of an answer.
#include "gateway/provider_attempt.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway/retry_after.hpp"
#include "gateway/same_dialect_answer.hpp"
#include "gateway/translated_answer.hpp"
#include "gateway/upstream_request.hpp"

namespace nova::gateway {
namespace {

using Freshness = net::UpstreamPool::Freshness;

// An error's body is a sentence, not an answer: whoever trickles it does not keep us (trap 40).
constexpr std::size_t kErrorBytes = 64U * 1024U;
constexpr std::chrono::seconds kErrorTime{2};

// Whole within the bounds, or what came until then.
struct ErrorBody {
    std::string text;
    bool whole = false;
};

Task<ErrorBody> read_error_body(Attempt& attempt, net::UpstreamConnection& upstream) {
    const TimePoint until = attempt.worker.clock.now() + kErrorTime;
    ErrorBody body;
    while (body.text.size() < kErrorBytes) {
        upstream.connection().expire_at(until);
        const auto piece = co_await upstream.read_body_some();
        if (!piece) {
            break;
        }
        if (piece->empty()) {
            body.whole = true;
            break;
        }
        body.text.append(*piece);
    }
    if (body.text.size() > kErrorBytes) {
        body.text.resize(kErrorBytes);
    }
    co_return body;
}

bool is_json(std::string_view content_type) {
    return content_type.starts_with("application/json") ||
           content_type.starts_with("application/problem+json");
}

// Not the client's key was refused but ours (reference/gateway.md, trap 63); what the provider says
// about it may quote the key.
Error key_refused(const Upstream& upstream, int status) {
    return Error{
        .code = ErrorCode::upstream_failed,
        .message =
            fmt::format("{} refused nova's credentials (HTTP {}).", upstream.provider, status),
        .word = "upstream_auth_error",
        .remedy = upstream.where == Where::local ? "Give the right --auth-header when starting it."
                                                 : "Give nova a valid key for this provider.",
    };
}

Refusal refusal_of(const net::ResponseHead& head) {
    Refusal refusal{.status = head.status, .content_type = {}, .headers = {}, .body = {}};
    refusal.content_type = head.headers.find("Content-Type");
    const AnswerHeaders visible{{}, head};
    for (const net::HeaderView& field : visible.view()) {
        if (!net::equal_ignoring_case(field.name, "Content-Type")) {
            refusal.headers.emplace_back(field.name, field.value);
        }
    }
    return refusal;
}

Task<Ending>
take_refusal(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head) {
    const int status = head.status;
    attempt.retry_after =
        retry_after(head.headers.find("Retry-After"), attempt.worker.clock.wall_now());
    Refusal refusal = refusal_of(head);
    if (status == 401 || status == 403) {
        attempt.error = key_refused(*attempt.upstream, status);
    } else if (status < 400) {
        attempt.error = Error{
            .code = ErrorCode::upstream_failed,
            .message = fmt::format(
                "{} answered with a redirect (HTTP {}), which is not followed.",
                attempt.upstream->provider, status
            ),
            .word = "upstream_redirect",
        };
    } else {
        ErrorBody body = co_await read_error_body(attempt, upstream);
        if (attempt.active.client_left || attempt.active.cut) {
            co_return attempt.failed({});
        }
        body.text = without_secrets(attempt, body.text);
        attempt.error = dialect::codec_of(attempt.request.dialect).read_error(status, body.text);
        attempt.error.retry_after = attempt.retry_after;
        if (body.whole && !attempt.request.translated && is_json(refusal.content_type)) {
            refusal.body = std::move(body.text);
            attempt.refusal = std::move(refusal);
        }
    }
    co_return Ending{
        .how = Ended::status,
        .status = status,
        .cloud = attempt.upstream->where == Where::cloud,
    };
}

Task<Ending> exchange_messages(Attempt& attempt, net::UpstreamPool::Acquired& acquired) {
    net::UpstreamConnection& upstream = *acquired.connection;
    const std::string head = upstream_request_head(
        *attempt.upstream,
        {
            .path = attempt.request.path,
            .client = attempt.job.exchange.request(),
            .body_bytes = attempt.body().size(),
            .request_id = attempt.job.request_id,
            .translated = attempt.request.translated,
        }
    );
    upstream.connection().expire_at(attempt.head_by());
    const auto sent = co_await upstream.send(head, attempt.body(), "POST");
    Result<const net::ResponseHead*> answer = nullptr;
    if (sent) {
        answer = co_await upstream.read_head();
        attempt.count_bytes(upstream);
    } else {
        answer = propagate(sent);
    }
    if (!answer) {
        const bool interrupted = attempt.active.client_left || attempt.active.cut;
        if (acquired.reused && upstream.bytes_received() == 0 && !interrupted &&
            answer.error().code != ErrorCode::timeout) {
            co_return Ending{.how = Ended::stale};  // trap 26: it had closed the idle connection
        }
        co_return attempt.failed(answer.error());
    }
    if ((*answer)->status >= 300) {
        co_return co_await take_refusal(attempt, upstream, **answer);
    }
    if (attempt.request.translated || is_another_shape(attempt, **answer)) {
        co_return co_await translate_answer(attempt, upstream, **answer);
    }
    co_return co_await pass_answer(attempt, upstream, **answer);
}

Ending not_permitted(Attempt& attempt) {
    return attempt.ended(
        Ended::forbidden,
        Error{
            .code = ErrorCode::forbidden,
            .message = fmt::format(
                "{} may not be asked by the mode or the key.", attempt.upstream->provider
            ),
            .word = "not_permitted",
        }
    );
}

void give_back(Attempt& attempt, net::UpstreamPool::Acquired& acquired) {
    WorkerState& worker = attempt.worker;
    // Towards an instance that goes away, or where a provider was before it moved, nothing is kept:
    // it would lie there closed by its peer.
    const auto* gate = worker.find_gate(attempt.upstream->id);
    if (gate != nullptr && !gate->gate.closed() && gate->endpoint == attempt.upstream->endpoint) {
        worker.pool.release(attempt.upstream->endpoint, std::move(acquired.connection));
    }
    worker.counters.idle_upstreams.store(
        static_cast<std::int64_t>(worker.pool.idle()), std::memory_order_relaxed
    );
}

Ending not_connected(Attempt& attempt, const Error& error) {
    Ending ending = attempt.failed(error);
    if (ending.how == Ended::reset || ending.how == Ended::timeout) {
        ending.how = Ended::refused;
        if (attempt.upstream->where == Where::local) {
            attempt.worker.events.connect_refused(attempt.upstream->id);
        }
    }
    return ending;
}

}  // namespace

std::string without_secrets(const Attempt& attempt, std::string_view text) {
    std::string clean = attempt.worker.log.redactor().clean(text);
    std::string_view key = attempt.upstream->auth_header_value.reveal();
    key.remove_prefix(key.starts_with("Bearer ") ? 7 : 0);
    for (std::size_t at = key.empty() ? std::string::npos : clean.find(key);
         at != std::string::npos; at = clean.find(key, at)) {
        clean.replace(at, key.size(), "[redacted]");
        at += 10;
    }
    return clean;
}

Attempt::Attempt(
    RelayJob& the_job, std::shared_ptr<const Upstream> the_upstream,
    const ProviderRequest& the_request, Breaker::Permit* permit
)
    : job{the_job}, worker{the_job.worker}, upstream{std::move(the_upstream)}, request{the_request},
      permit_{permit}, meter_{the_job.worker.meter_of(*upstream)},
      began_{the_job.worker.clock.now()} {
    job.asked_at = began_;
    active.upstream = upstream.get();
    active.exchange = &job.exchange;
    worker.add(active);
    job.exchange.watch_client([this] {
        active.client_left = true;
        active.interrupt();
    });
}

Attempt::~Attempt() {
    job.exchange.unwatch_client();
    worker.remove(active);
    if (!committed) {
        job.upstream_time += worker.clock.now() - began_;
        job.asked_at.reset();
    }
}

void Attempt::commit(int status) {
    committed = true;
    job.status = status;
    const TimePoint now = worker.clock.now();
    if (!job.first_content_at) {
        job.first_content_at = now;
    }
    job.upstream_time += now - began_;
    job.asked_at.reset();
    if (permit_ != nullptr) {
        permit_->ended(Health::good, now);  // a stream may run for minutes: others may come now
    }
}

TimePoint Attempt::bounded(TimePoint by) const {
    const GatewayPolicy& policy = worker.policy;
    if (!committed) {
        by = std::min(by, began_ + policy.first_content_timeout);
    }
    if (policy.total_timeout.count() > 0) {
        by = std::min(by, job.began + policy.total_timeout);
    }
    return by;
}

TimePoint Attempt::head_by() const {
    return bounded(began_ + worker.policy.head_timeout);
}

TimePoint Attempt::read_by() const {
    return bounded(worker.clock.now() + worker.policy.idle_timeout);
}

void Attempt::count_bytes(const net::UpstreamConnection& from) {
    job.answer_bytes = from.bytes_received();
    if (meter_ != nullptr) {
        // The connection counts anew with each request.
        const std::uint64_t received = from.bytes_received();
        meter_->add_bytes(received - std::min(metered_, received));
        metered_ = received;
    }
}

Ending Attempt::failed(Error reason) {
    if (active.client_left) {
        return client_left();
    }
    if (active.cut) {
        return ended(
            Ended::cut,
            Error{
                .code = ErrorCode::unavailable,
                .message = "The backend is being stopped or switched; this answer was cut.",
                .word = "backend_switched",
                .retry_after = std::chrono::seconds{5},
            }
        );
    }
    const bool late = reason.code == ErrorCode::timeout;
    if (!late) {
        reason.code = ErrorCode::upstream_failed;
    }
    reason.message = fmt::format("{} failed: {}", upstream->provider, reason.message);
    return ended(late ? Ended::timeout : Ended::reset, std::move(reason));
}

Ending Attempt::ended(Ended how, Error reason) {
    error = std::move(reason);
    error.message = without_secrets(*this, error.message);
    error.word = without_secrets(*this, error.word);
    return Ending{.how = how, .committed = committed, .cloud = upstream->where == Where::cloud};
}

Ending Attempt::client_left() {
    active.client_left = true;
    return Ending{.how = Ended::client_left, .committed = committed};
}

Ending Attempt::served() const {
    return Ending{.how = Ended::served, .committed = true};
}

Task<Ending> run_attempt(Attempt& attempt) {
    WorkerState& worker = attempt.worker;
    for (const Freshness freshness : {Freshness::any, Freshness::fresh}) {
        // With the table as it is now: the plan may be older than a change of the mode.
        const auto permit =
            leave_permit(*worker.table, attempt.job.access.get(), *attempt.upstream);
        if (!permit) {
            co_return not_permitted(attempt);
        }
        Result<net::UpstreamPool::Acquired> acquired;
        if (freshness == Freshness::any) {
            if (auto idle = worker.pool.take_idle(attempt.upstream->endpoint)) {
                acquired = *std::move(idle);
            }
        }
        if (!acquired->connection) {
            acquired = co_await worker.connect(*attempt.upstream, *permit);
        }
        if (!acquired) {
            co_return not_connected(attempt, acquired.error());
        }
        attempt.active.connection = acquired->connection.get();
        if (attempt.active.client_left || attempt.active.cut) {
            attempt.active.interrupt();  // it happened while we dialled
        }
        const Ending ending = co_await exchange_messages(attempt, *acquired);
        attempt.active.connection = nullptr;
        give_back(attempt, *acquired);
        if (next_step(ending, false) != Next::try_fresh) {
            co_return ending;
        }
    }
    co_return attempt.failed({});  // stale twice, which a fresh connection cannot be
}

}  // namespace nova::gateway

// Waiting for a provider, and telling the client when that was in vain.
#include "gateway/upstream_read.hpp"

#include <algorithm>

namespace nova::gateway {
namespace {

// A comment every client of event streams has to ignore (trap 6).
constexpr std::string_view kPing = ": ping\n\n";

Task<Result<std::string_view>>
wait_with_pings(Attempt& attempt, net::UpstreamConnection& upstream) {
    const auto every = attempt.worker.policy.heartbeat;
    const TimePoint until = attempt.read_by();
    for (;;) {
        const TimePoint ping_at = attempt.worker.clock.now() + every;
        upstream.connection().expire_at(std::min(until, ping_at));
        auto piece = co_await upstream.read_body_some();
        const bool silent = !piece && piece.error().code == ErrorCode::timeout && ping_at < until;
        if (!silent) {
            co_return piece;
        }
        const auto sent = co_await attempt.job.exchange.write(kPing);
        if (!sent) {
            attempt.active.client_left = true;
            co_return propagate(sent);
        }
    }
}

}  // namespace

Task<Result<std::string_view>>
wait_for_piece(Attempt& attempt, net::UpstreamConnection& upstream, Heartbeat heartbeat) {
    const bool pings = heartbeat == Heartbeat::between_events && attempt.committed &&
                       attempt.worker.policy.heartbeat.count() > 0;
    if (pings) {
        return wait_with_pings(attempt, upstream);
    }
    upstream.connection().expire_at(attempt.read_by());
    return upstream.read_body_some();
}

Task<void> end_badly(Attempt& attempt, Shape shape) {
    if (shape == Shape::whole) {
        attempt.job.exchange.abort();
        co_return;
    }
    const std::string event = attempt.job.codec().write_error_event(attempt.error);
    const auto sent = co_await attempt.job.exchange.write(event);
    if (sent) {
        ignore(co_await attempt.job.exchange.end(), "the client is gone, there is nobody to tell");
    }
}

}  // namespace nova::gateway

// From ended requests to lines and rows.
#include "app/usage_drain.hpp"

#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace nova::app {
namespace {

using gateway::EndedRequest;

constexpr std::chrono::milliseconds kInterval{250};
constexpr std::chrono::hours kPruneInterval{1};
// Rows kept in memory while the ledger's disk is away; then the queues fill, and drop.
constexpr std::size_t kMostRows = 8192;

std::int64_t milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::round<std::chrono::milliseconds>(time).count();
}

std::string number_or_none(const std::optional<std::uint64_t>& value) {
    return value ? std::to_string(*value) : "-";
}

std::string text_or_none(std::string_view text) {
    return text.empty() ? "-" : std::string{text};
}

}  // namespace

std::optional<store::UsageRow> usage_row_of(const EndedRequest& request) {
    if (request.attempts == 0) {
        return std::nullopt;
    }
    return store::UsageRow{
        .at = request.began_at + std::chrono::duration_cast<WallTime::duration>(request.total),
        .request_id = std::string{request.request_id.view()},
        .key_id = std::string{request.key_id.view()},
        .key_name = std::string{request.key_name.view()},
        .operation = std::string{request.operation.view()},
        .model = std::string{request.model.view()},
        .provider = std::string{request.provider.view()},
        .upstream_model = std::string{request.upstream_model.view()},
        .local = request.local,
        .prompt_tokens = request.usage.prompt,
        .completion_tokens = request.usage.completion,
        .cached_tokens = request.usage.cached,
        .counted = request.usage_counted,
        .duration_ms = milliseconds(request.total),
        .status = request.status,
        .end = std::string{gateway::word_of(request.end)},
        .attempts = request.attempts,
        .stream = request.stream,
    };
}

UsageDrain::UsageDrain(Parts parts) : parts_{std::move(parts)}, timer_{parts_.executor} {}

void UsageDrain::call() {
    timer_.cancel();
}

Task<void> UsageDrain::run() {
    while (true) {
        timer_.expires_after(kInterval);
        boost::system::error_code code;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, code));
        const auto cancelled = co_await asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != asio::cancellation_type::none) {
            co_return;
        }
        co_await drain();
    }
}

Task<void> UsageDrain::drain() {
    if (draining_) {
        co_return;
    }
    draining_ = true;

    // Also when it is cancelled halfway: there is one more drain after the last request.
    struct Done {
        bool& draining;

        ~Done() { draining = false; }
    };

    const Done done{draining_};
    take_rows();
    co_await write_rows();
    co_await prune();
}

void UsageDrain::take_rows() {
    for (gateway::UsageQueue* queue : parts_.queues) {
        while (rows_.size() < kMostRows) {
            const EndedRequest* request = queue->front();
            if (request == nullptr) {
                break;
            }
            write_line(*request);
            auto row = parts_.ledger != nullptr ? usage_row_of(*request) : std::nullopt;
            if (row) {
                rows_.push_back(std::move(*row));
            }
            queue->pop();
        }
    }
}

// No prompt, no answer, no secret: a record has none of them.
void UsageDrain::write_line(const EndedRequest& request) {
    const bool served = request.end == gateway::RequestEnd::served;
    if (parts_.access_log == AccessLog::off ||
        (served && parts_.access_log == AccessLog::failures)) {
        return;
    }
    const std::string_view key = request.key_name.view();
    parts_.log.info(
        "request",
        {{"id", text_or_none(request.request_id.view())},
         {"at", rfc3339(request.began_at)},
         {"route", text_or_none(request.route.view())},
         {"model", text_or_none(request.model.view())},
         {"provider", text_or_none(request.provider.view())},
         {"status", std::to_string(request.status)},
         {"end", std::string{gateway::word_of(request.end)}},
         {"ms", std::to_string(milliseconds(request.total))},
         {"first_ms", request.first_content ? std::to_string(milliseconds(*request.first_content))
                                            : std::string{"-"}},
         {"prompt", number_or_none(request.usage.prompt)},
         {"completion", number_or_none(request.usage.completion)},
         {"cut", request.prompt_cut ? "prompt" : "-"},
         {"key", text_or_none(key.empty() ? request.key_id.view() : key)},
         {"why", text_or_none(request.why.view())}}
    );
}

Task<void> UsageDrain::write_rows() {
    if (rows_.empty() || parts_.ledger == nullptr) {
        co_return;
    }
    const auto written = co_await parts_.ledger->write(rows_);
    if (!written) {
        if (!std::exchange(ledger_away_, true)) {
            parts_.log.warn("usage.not_written", {{"detail", written.error().message}});
        }
        co_return;
    }
    if (std::exchange(ledger_away_, false)) {
        parts_.log.info("usage.written_again", {{"rows", std::to_string(rows_.size())}});
    }
    rows_.clear();
    parts_.figures.written.fetch_add(written->rows, std::memory_order_relaxed);
    parts_.figures.refused.fetch_add(written->refused, std::memory_order_relaxed);
}

Task<void> UsageDrain::prune() {
    const TimePoint now = parts_.clock.now();
    if (parts_.ledger == nullptr || now < next_prune_) {
        co_return;
    }
    next_prune_ = now + kPruneInterval;
    const auto gone = co_await parts_.ledger->prune(parts_.clock.wall_now() - parts_.keep);
    if (!gone) {
        parts_.log.warn("usage.not_pruned", {{"detail", gone.error().message}});
    } else if (*gone > 0) {
        parts_.log.info("usage.pruned", {{"rows", std::to_string(*gone)}});
    }
}

}  // namespace nova::app

// Replay from the store, then live news; a reader that cannot follow is cut, not waited for.
#include "recovery/event_stream.hpp"

#include <array>
#include <charconv>
#include <deque>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "net/sse.hpp"
#include "recovery/dto.hpp"

namespace nova::recovery {
namespace {

// One subscriber: a bounded queue between the feed and the client's connection.
class Subscription {
public:
    Subscription(
        net::Exchange& exchange, lifecycle::EventFeed& feed, asio::any_io_executor executor,
        std::size_t limit
    )
        : exchange_{exchange}, feed_{feed}, news_{executor}, limit_{limit} {
        news_.expires_at(asio::steady_timer::time_point::max());
        token_ = feed_.subscribe([this](const lifecycle::FeedEvent& event) { take(event); });
        exchange_.watch_client([this] {
            gone_ = true;
            news_.cancel();
        });
    }

    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    ~Subscription() {
        feed_.unsubscribe(token_);
        exchange_.unwatch_client();
    }

    bool over() const { return gone_ || cut_; }

    std::optional<lifecycle::FeedEvent> next() {
        if (queue_.empty()) {
            return std::nullopt;
        }
        std::optional event{std::move(queue_.front())};
        queue_.pop_front();
        return event;
    }

    // Returns at once when there is something to do.
    Task<void> news() {
        if (!queue_.empty() || over()) {
            co_return;
        }
        boost::system::error_code ignored;
        co_await news_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

private:
    void take(const lifecycle::FeedEvent& event) {
        if (over()) {
            return;
        }
        if (queue_.size() >= limit_) {
            cut_ = true;
            queue_.clear();
            exchange_.abort();  // its write may be pending for minutes: the client does not read
        } else {
            queue_.push_back(event);
        }
        news_.cancel();
    }

    net::Exchange& exchange_;
    lifecycle::EventFeed& feed_;
    asio::steady_timer news_;  // never expires: cancelled to say that there is news
    std::size_t limit_;
    std::uint64_t token_ = 0;
    std::deque<lifecycle::FeedEvent> queue_;
    bool gone_ = false;
    bool cut_ = false;
};

// What the store keeps, in the shapes of the API; what cannot be read goes out as text.
Json payload_of(const std::string& type, const std::string& json) {
    Json payload = Json::parse(json, nullptr, false);
    if (payload.is_discarded()) {
        return Json(json);
    }
    if (type == "operation") {
        if (const auto operation = lifecycle::operation_from(payload)) {
            return operation_json(*operation);
        }
    }
    return payload;
}

std::string
event_text(std::uint64_t id, const std::string& type, const std::string& json, WallTime at) {
    Json data{{"type", type}, {"at", rfc3339(at)}, {"data", payload_of(type, json)}};
    std::string id_text;
    if (id != 0) {  // 0: a passing figure that the store does not keep
        data["id"] = id;
        id_text = std::to_string(id);
    }
    return net::sse_event(type, json_text(data), id_text);
}

// Everything stored after `id`; returns the last id sent, 0 for none (the reader's own may be of an
// older store, and beyond all that will come), empty when the client has gone.
Task<std::optional<std::uint64_t>>
replay(net::Exchange& exchange, EventSource& source, std::uint64_t id) {
    std::uint64_t sent = 0;
    for (;;) {
        const auto rows = co_await source.store.events_after(id, source.limits.replay_page);
        if (!rows || rows->empty()) {
            co_return sent;  // a store that is away loses the past, not the stream
        }
        std::string text;
        for (const store::EventRow& row : *rows) {
            text += event_text(row.id, row.type, row.json, row.at);
            id = sent = row.id;
        }
        if (const auto written = co_await exchange.write(text); !written) {
            co_return std::nullopt;
        }
    }
}

Task<void>
live(net::Exchange& exchange, Subscription& subscription, EventSource& source, std::uint64_t sent) {
    using namespace asio::experimental::awaitable_operators;
    while (!subscription.over()) {
        std::string text;
        while (auto event = subscription.next()) {
            if (event->id == 0 || event->id > sent) {  // the replay may have had it already
                text += event_text(event->id, event->type, event->json, event->at);
            }
        }
        if (text.empty()) {
            const auto woken =
                co_await (subscription.news() || source.clock.sleep_for(source.limits.heartbeat));
            if (woken.index() == 0) {
                continue;
            }
            text = net::sse_comment("heartbeat");
        }
        if (const auto written = co_await exchange.write(text); !written) {
            co_return;
        }
    }
}

}  // namespace

Result<std::optional<std::uint64_t>> last_event_id(const net::RequestHead& head) {
    std::string text{head.headers.find("Last-Event-ID")};
    if (text.empty()) {
        text = net::query_parameter(head.query(), "last_event_id").second;
    }
    if (text.empty()) {
        return std::nullopt;
    }
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return fail(ErrorCode::invalid_argument, "Last-Event-ID must be a number nova gave out.");
    }
    return id;
}

Task<void> stream_events(net::Exchange& exchange, EventSource source, std::string hello) {
    const auto since = last_event_id(exchange.request());
    if (!since) {
        ignore(co_await exchange.respond_error(since.error()), "the client is told or gone");
        co_return;
    }
    // Subscribed before the replay reads the store: an event between the two is in the queue.
    const auto executor = co_await asio::this_coro::executor;
    Subscription subscription{exchange, source.feed, executor, source.limits.queued_events};
    constexpr std::array<net::HeaderView, 3> kHeaders{{
        {"Content-Type", "text/event-stream"},
        {"Cache-Control", "no-store"},
        {"X-Accel-Buffering", "no"},  // nginx would hold events back otherwise
    }};
    exchange.begin(200, kHeaders, std::nullopt);
    std::optional<std::uint64_t> sent;
    if (co_await exchange.write(net::sse_event("hello", hello))) {
        sent = 0;
    }
    if (sent && since->has_value()) {
        sent = co_await replay(exchange, source, **since);
    }
    if (sent) {
        co_await live(exchange, subscription, source, *sent);
    }
    exchange.abort();  // the stream has no end of its own: its reader left, or was cut
}

}  // namespace nova::recovery

// Following a log through tails of it.
#include "recovery/log_stream.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "core/result.hpp"

namespace nova::recovery {
namespace {

constexpr std::chrono::milliseconds kLookEvery{500};
// Lines looked at each time; an engine that writes more between two looks loses the oldest here,
// not in its file.
constexpr std::size_t kWindowLines = 2000;

// The last `lines` lines of a text.
std::string_view last_lines(std::string_view text, std::size_t lines) {
    std::size_t from = text.size();
    for (std::size_t i = 0; i <= lines; ++i) {
        if (from == 0) {
            return text;
        }
        from = text.rfind('\n', from - 1);
        if (from == std::string_view::npos) {
            return text;
        }
    }
    return text.substr(from + 1);
}

// Whole lines only: a line that is being written is shown when it is complete.
std::string whole_lines(std::string text) {
    const auto end = text.rfind('\n');
    text.resize(end == std::string::npos ? 0 : end + 1);
    return text;
}

// Set by the client's leaving; the callback must not touch a frame that is gone.
struct ClientWatch {
    explicit ClientWatch(net::Exchange& watched) : exchange{watched} {
        exchange.watch_client([this] { gone = true; });
    }

    ClientWatch(const ClientWatch&) = delete;
    ClientWatch& operator=(const ClientWatch&) = delete;

    ~ClientWatch() { exchange.unwatch_client(); }

    net::Exchange& exchange;
    bool gone = false;
};

}  // namespace

std::string_view grown_part(std::string_view before, std::string_view now) {
    if (before.empty()) {
        return now;
    }
    // `now` begins somewhere inside `before`, at a line border.
    std::size_t start = 0;
    while (start < before.size()) {
        const std::string_view rest = before.substr(start);
        if (now.starts_with(rest)) {
            return now.substr(rest.size());
        }
        const auto line_end = before.find('\n', start);
        if (line_end == std::string_view::npos) {
            break;
        }
        start = line_end + 1;
    }
    return now;
}

Task<void> follow_log(
    net::Exchange& exchange, lifecycle::BackendControl& backend, Clock& clock, std::size_t lines
) {
    auto first = co_await backend.log_tail(std::max(lines, kWindowLines));
    if (!first) {
        ignore(co_await exchange.respond_error(first.error()), "the client is gone");
        co_return;
    }
    ClientWatch client{exchange};
    constexpr std::array<net::HeaderView, 2> kHeaders{{
        {"Content-Type", kLogType},
        {"Cache-Control", "no-store"},
    }};
    exchange.begin(200, kHeaders, std::nullopt);
    std::string shown = whole_lines(std::move(*first));
    auto sent = co_await exchange.write(last_lines(shown, lines));
    if (sent) {
        sent = co_await exchange.flush();
    }
    while (sent && !client.gone) {
        co_await clock.sleep_for(kLookEvery);
        auto text = co_await backend.log_tail(kWindowLines);
        if (!text) {
            continue;  // between two instances there may be no log
        }
        std::string now = whole_lines(std::move(*text));
        const std::string fresh{grown_part(shown, now)};
        shown = std::move(now);
        if (!fresh.empty()) {
            sent = co_await exchange.write(fresh);
        }
    }
    exchange.abort();  // a log has no end; its reader left
}

}  // namespace nova::recovery

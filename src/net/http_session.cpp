// The session's life: heads, routing, the handler, and how a connection ends.
#include "net/http_session.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <exception>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace nova::net {
namespace {

// A body nobody read is thrown away up to here, so that the connection can be kept.
constexpr std::uint64_t kDrainBytes = 64U * 1024U;
// Trap 19: a client still uploading must see the answer before the connection is reset.
constexpr std::uint64_t kLingerBytes = 64U * 1024U * 1024U;
constexpr std::chrono::seconds kLingerTime{10};

}  // namespace

std::string_view DateText::at(WallTime time) {
    const std::int64_t second =
        std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
    if (second != second_) {
        constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        const std::time_t value = second;
        std::tm parts{};
        gmtime_r(&value, &parts);
        text_ = fmt::format(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
            kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour,
            parts.tm_min, parts.tm_sec
        );
        second_ = second;
    }
    return text_;
}

HttpSession::HttpSession(SessionRules& rules, std::unique_ptr<Connection> connection)
    : rules_{rules}, connection_{std::move(connection)}, share_{rules.limits.body_budget.get()} {}

Task<void> HttpSession::run() {
    while (keep_alive_ && co_await read_head()) {
        co_await serve_request();
        keep_alive_ = keep_alive_ && !rules_.stopping;
    }
    if (linger_ && answer_ == Answer::ended) {
        co_await linger();
    }
    connection_->close();
}

void HttpSession::stop() {
    if (idle_) {
        connection_->close();
    }
}

// True when request_ holds the next request; anything wrong has been answered.
Task<bool> HttpSession::read_head() {
    answer_ = Answer::none;
    std::size_t scanned = 0;
    bool waiting = false;
    while (true) {
        if (buffer_.unread().starts_with("\r\n")) {
            buffer_.take(2);  // RFC 9112 2.2: an empty line in front of a request is ignored
            scanned = 0;
        }
        const auto length = find_head_end(buffer_.unread(), scanned, rules_.limits.head);
        if (!length) {
            co_await answer_malformed(431, length.error());
            co_return false;
        }
        if (*length > 0) {
            const auto refused = accept_head(*length);
            if (refused) {
                co_await answer_malformed(refused->status, refused->error);
            }
            co_return !refused;
        }
        scanned = buffer_.unread().size();
        idle_ = scanned == 0;
        if (idle_) {
            expire_in(rules_.limits.idle_timeout);
        } else if (!std::exchange(waiting, true)) {
            expire_in(rules_.limits.head_timeout);
        }
        const auto size = filled(co_await connection_->read_some(buffer_.room()));
        idle_ = false;
        if (!size && size.error().code == ErrorCode::timeout && scanned > 0) {
            const Error late{
                .code = ErrorCode::timeout, .message = "The request did not arrive in time."
            };
            co_await answer_malformed(408, late);
        }
        if (!size || *size == 0) {
            co_return false;
        }
    }
}

// Makes the bytes the request that is served next, or says what is wrong with them.
std::optional<HttpSession::Refusal> HttpSession::accept_head(std::size_t length) {
    head_bytes_.assign(buffer_.unread().substr(0, length));
    buffer_.take(length);
    auto head = parse_request_head(head_bytes_, std::move(request_));
    if (!head) {
        request_ = {};
        return Refusal{400, head.error()};
    }
    request_ = *std::move(head);
    const auto framing = request_framing(request_);
    if (!framing) {
        return Refusal{policy(framing.error().code).http_status, framing.error()};
    }
    framing_ = *framing;
    body_.emplace(framing_);
    continued_ = false;
    keep_alive_ = framing_.keep_alive;
    return std::nullopt;
}

Task<void> HttpSession::serve_request() {
    match_ = {};
    if (rules_.admission) {
        const auto refused = rules_.admission(request_, peer());
        if (refused) {
            ignore(co_await respond_error(*refused), "the connection ends if it cannot be told");
        }
    }
    if (answer_ == Answer::none) {
        match_ = rules_.routes.find(request_.method, request_.path());
        if (match_.handler == nullptr) {
            co_await answer_unrouted();
        } else {
            std::string failure;
            try {
                co_await (*match_.handler)(*this);
            } catch (const boost::system::system_error& error) {
                if (error.code() == asio::error::operation_aborted) {
                    throw;  // cancelled: the session ends with its task
                }
                failure = error.what();
            } catch (const std::exception& error) {
                failure = error.what();
            }
            if (answer_ != Answer::ended && answer_ != Answer::cut) {
                connection_->unwatch_peer();
                co_await answer_failed(failure);
            }
        }
    }
    share_.give_back();
    connection_->unwatch_peer();
    if (answer_ == Answer::ended && !body_->done()) {
        keep_alive_ = keep_alive_ && co_await drain_request();
        linger_ = !keep_alive_;
    }
}

Task<void> HttpSession::answer_unrouted() {
    const bool method = !match_.allow.empty();
    const HeaderView allow[] = {{"Allow", match_.allow}};
    const std::span<const HeaderView> extra{allow, method ? 1U : 0U};
    const int status = method ? 405 : policy(match_.error.code).http_status;
    ignore(
        co_await respond_with(status, match_.error, extra),
        "the connection ends if it cannot be told"
    );
}

// The answer is finished or cut, whatever the handler did not do.
Task<void> HttpSession::answer_failed(const std::string& failure) {
    rules_.log.error(
        "http.handler_failed",
        {{"method", std::string{request_.method}},
         {"path", std::string{request_.path()}},
         {"reason", failure.empty() ? "it ended without an answer" : failure}}
    );
    keep_alive_ = false;
    if (answer_ == Answer::begun) {
        abort();
        co_return;
    }
    const Error error{.code = ErrorCode::internal, .message = "The server failed to answer."};
    ignore(co_await respond_error(error), "the connection ends anyway");
}

// The connection cannot go on behind a message that could not be read.
Task<void> HttpSession::answer_malformed(int status, const Error& error) {
    keep_alive_ = false;
    linger_ = true;
    request_ = {};
    body_.emplace(Framing{});
    ignore(co_await respond_with(status, error, {}), "the connection ends anyway");
}

// A small body that the handler left is read to its end; false when it is not worth it.
Task<bool> HttpSession::drain_request() {
    std::uint64_t drained = 0;
    while (!body_->done()) {
        if (buffer_.empty()) {
            expire_in(rules_.limits.body_timeout);
            const auto size = filled(co_await connection_->read_some(buffer_.room()));
            if (!size || *size == 0) {
                co_return false;
            }
        }
        const auto step = body_->next(buffer_.unread());
        if (!step) {
            co_return false;
        }
        buffer_.take(step->consumed);
        drained += step->consumed;
        if (drained > kDrainBytes) {
            co_return false;
        }
    }
    co_return true;
}

Task<void> HttpSession::linger() {
    connection_->shutdown_send();
    expire_in(kLingerTime);
    idle_ = true;  // a server that stops need not wait for this
    for (std::uint64_t read = 0; read < kLingerBytes;) {
        buffer_.clear();
        const auto size = filled(co_await connection_->read_some(buffer_.room()));
        if (!size || *size == 0) {
            co_return;
        }
        read += *size;
    }
}

// What a read into the room gave; 0 is the end of input.
Result<std::size_t> HttpSession::filled(Result<std::size_t> size) {
    if (size) {
        buffer_.filled(*size);
    }
    return size;
}

void HttpSession::expire_in(std::chrono::seconds time) {
    connection_->expire_at(rules_.clock.now() + time);
}

std::string_view HttpSession::parameter(std::string_view name) const {
    for (const auto& [key, value] : match_.parameters) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

void HttpSession::watch_client(std::move_only_function<void()> gone) {
    connection_->watch_peer(std::move(gone));
}

void HttpSession::unwatch_client() {
    connection_->unwatch_peer();
}

}  // namespace nova::net

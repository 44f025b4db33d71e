// The session as its handler's Exchange: the request's body in, the answer out.
#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "net/http_session.hpp"
#include "net/inflate.hpp"

namespace nova::net {
namespace {

// How much a read of a long body may ask for at once; the body grows only by what has come.
constexpr std::size_t kBodyStep = 64U * 1024U;
constexpr std::size_t kBodyReserve = 1024U * 1024U;
// Who parses JSON by vectors reads behind its end, and would else have to move the body.
constexpr std::size_t kBodyPadding = 64;
// A write is timed in slices: the client has write_timeout for each (it "takes a byte").
constexpr std::size_t kSliceBytes = 256U * 1024U;
constexpr std::uint64_t kDrainBytes = 64U * 1024U;

std::unexpected<Error> body_too_large(std::size_t limit) {
    return fail(
        ErrorCode::too_large,
        fmt::format("The request body is larger than the {} bytes accepted here.", limit)
    );
}

// Trap 20: not this request is too large, all of them together are.
std::unexpected<Error> no_room_for_body() {
    return fail(Error{
        .code = ErrorCode::rate_limited,
        .message = "The requests that run now hold as much as is accepted at a time.",
        .word = "request_bodies_exhausted",
        .remedy = "Try again in a moment.",
        .retry_after = std::chrono::seconds{1},
    });
}

std::unexpected<Error> client_gone() {
    return fail(ErrorCode::cancelled, "The client closed the connection.");
}

// Framing belongs to the session; Date is ours unless an upstream's is passed on (trap 16).
bool is_framing_field(std::string_view name) {
    return equal_ignoring_case(name, "Content-Length") ||
           equal_ignoring_case(name, "Transfer-Encoding") ||
           equal_ignoring_case(name, "Connection") || equal_ignoring_case(name, "Keep-Alive");
}

bool is_event_stream(const HeaderView& field) {
    return equal_ignoring_case(field.name, "Content-Type") &&
           (field.value.starts_with("text/event-stream") ||
            field.value.starts_with("application/x-ndjson"));
}

std::size_t total_of(std::span<const std::string_view> pieces) {
    std::size_t total = 0;
    for (const std::string_view piece : pieces) {
        total += piece.size();
    }
    return total;
}

}  // namespace

Task<Result<std::string>> HttpSession::read_body(std::size_t limit) {
    limit = std::min(limit, rules_.limits.body_bytes);
    return request_.headers.has("Content-Encoding") ? read_coded_body(limit) : read_raw_body(limit);
}

Task<Result<std::string>> HttpSession::read_coded_body(std::size_t limit) {
    const auto coding = content_coding(request_.headers);
    if (!coding) {
        co_return propagate(coding);
    }
    auto body = co_await read_raw_body(limit);
    if (body && *coding == ContentCoding::deflated && !body->empty()) {
        body = co_await inflated(*std::move(body), limit);
    }
    co_return body;
}

Task<Result<std::string>> HttpSession::read_raw_body(std::size_t limit) {
    std::string body;
    if (framing_.kind == BodyKind::length && framing_.length > limit) {
        co_return body_too_large(limit);
    }
    // Nothing is held yet, but there is no use in beginning what will not fit.
    if (framing_.kind == BodyKind::length && !share_.could_hold(framing_.length)) {
        co_return no_room_for_body();
    }
    if (must_continue()) {
        if (const auto continued = co_await send_continue(); !continued) {
            co_return propagate(continued);
        }
    }
    if (framing_.kind == BodyKind::length) {
        const auto length = static_cast<std::size_t>(framing_.length);
        body.reserve(std::min(length, kBodyReserve) + kBodyPadding);
    }
    while (!body_->done()) {
        Result<void> taken;
        if (!buffer_.empty()) {
            taken = take_buffered_body(body, limit);
        } else {
            expire_in(rules_.limits.body_timeout);
            taken = co_await read_more_body(body, limit);
        }
        if (taken && !share_.hold(body.size())) {
            taken = no_room_for_body();
        }
        if (!taken) {
            keep_alive_ = false;
            co_return propagate(taken);
        }
    }
    co_return body;
}

// In steps between which others run: a few bytes may become millions (trap 14).
Task<Result<std::string>> HttpSession::inflated(std::string packed, std::size_t limit) {
    Inflater inflater{packed};
    std::string body;
    while (true) {
        const auto piece = inflater.next();
        if (!piece) {
            co_return propagate(piece);
        }
        if (piece->empty()) {
            break;
        }
        if (body.size() + piece->size() > limit) {
            co_return body_too_large(limit);
        }
        body.append(*piece);
        if (!share_.hold(packed.size() + body.size())) {
            co_return no_room_for_body();
        }
        co_await asio::post(asio::use_awaitable);
    }
    co_return body;
}

bool HttpSession::must_continue() const {
    return framing_.expect_continue && !continued_ && buffer_.empty() && !body_->done();
}

Task<Result<void>> HttpSession::send_continue() {
    continued_ = true;
    expire_in(rules_.limits.write_timeout);
    const std::string_view interim[] = {"HTTP/1.1 100 Continue\r\n\r\n"};
    co_return sent(co_await connection_->write_all(interim));
}

Result<void> HttpSession::take_buffered_body(std::string& body, std::size_t limit) {
    const auto step = body_->next(buffer_.unread());
    if (!step) {
        return propagate(step);
    }
    buffer_.take(step->consumed);
    body.append(step->data);
    if (body.size() > limit) {
        return body_too_large(limit);
    }
    return {};
}

// With a known length the kernel writes straight into the body; else through the buffer.
Task<Result<void>> HttpSession::read_more_body(std::string& body, std::size_t limit) {
    Result<std::size_t> size;
    if (framing_.kind == BodyKind::length) {
        const std::size_t before = body.size();
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(body_->remaining(), kBodyStep));
        body.resize_and_overwrite(before + wanted, [](char*, std::size_t n) { return n; });
        size = co_await connection_->read_some({body.data() + before, wanted});
        body.resize(before + size.value_or(0));
        if (size) {
            const auto step = body_->next(std::string_view{body}.substr(before));
            NOVA_CHECK(step && step->consumed == *size && body.size() <= limit);
        }
    } else {
        size = filled(co_await connection_->read_some(buffer_.room()));
    }
    if (!size && size.error().code == ErrorCode::timeout) {
        co_return fail(
            {.code = ErrorCode::timeout,
             .message = "The request body did not arrive in time.",
             .word = "request_timeout"}
        );
    }
    if (!size || *size == 0) {
        co_return client_gone();
    }
    co_return Result<void>{};
}

Task<Result<void>> HttpSession::respond(
    int status, std::string_view content_type, std::string_view body,
    std::span<const HeaderView> extra
) {
    if (answer_ == Answer::cut) {
        co_return client_gone();
    }
    queue_head(status, content_type, extra, body.size());
    const bool with_body = answer_body_ == AnswerBody::length;
    const std::string_view pieces[] = {out_, with_body ? body : std::string_view{}};
    auto result = co_await send(pieces);
    out_.clear();
    if (result) {
        answer_ = Answer::ended;
    }
    co_return result;
}

Task<Result<void>> HttpSession::respond_error(const Error& error) {
    // The one status the policy table cannot know: who was late, we or the client.
    const bool late = error.word == "request_timeout";
    const int status = late ? 408 : policy(error.code).http_status;
    return respond_with(status, error, {});
}

Task<Result<void>>
HttpSession::respond_with(int status, const Error& error, std::span<const HeaderView> extra) {
    if (answer_ == Answer::begun || answer_ == Answer::ended) {
        abort();
        co_return fail(ErrorCode::internal, "The answer had begun when the error came.");
    }
    std::vector<HeaderView> headers{extra.begin(), extra.end()};
    std::string seconds;
    if (error.retry_after) {
        seconds = std::to_string(error.retry_after->count());
        headers.push_back({"Retry-After", seconds});
    }
    const std::string body = rules_.render_error(error);
    co_return co_await respond(status, "application/json", body, headers);
}

void HttpSession::begin(
    int status, std::span<const HeaderView> headers, std::optional<std::uint64_t> length
) {
    if (answer_ != Answer::cut) {
        queue_head(status, {}, headers, length);
    }
}

// What is left of the request body will be read behind the answer.
bool HttpSession::will_drain() const {
    if (body_->done()) {
        return true;
    }
    // Who waits for 100 Continue may or may not send the body now: the border is unknown.
    const bool waiting = framing_.expect_continue && !continued_;
    return framing_.kind == BodyKind::length && body_->remaining() <= kDrainBytes && !waiting;
}

void HttpSession::queue_head(
    int status, std::string_view content_type, std::span<const HeaderView> headers,
    std::optional<std::uint64_t> length
) {
    NOVA_CHECK(answer_ == Answer::none);
    answer_ = Answer::begun;
    keep_alive_ = keep_alive_ && !rules_.stopping && will_drain();
    const bool bodiless = status < 200 || status == 204 || status == 304;
    if (bodiless || request_.method == "HEAD") {
        answer_body_ = AnswerBody::none;
    } else if (length) {
        answer_body_ = AnswerBody::length;
        left_ = *length;
    } else if (request_.minor_version >= 1) {
        answer_body_ = AnswerBody::chunked;
    } else {
        answer_body_ = AnswerBody::until_close;
        keep_alive_ = false;
    }
    out_.clear();
    append_status_line(out_, status);
    bool dated = false;
    bool stream = false;
    bool buffering = false;
    for (const HeaderView& field : headers) {
        if (!is_framing_field(field.name)) {
            dated = dated || equal_ignoring_case(field.name, "Date");
            stream = stream || is_event_stream(field);
            buffering = buffering || equal_ignoring_case(field.name, "X-Accel-Buffering");
            append_header(out_, field.name, field.value);
        }
    }
    if (stream && !buffering) {
        append_header(out_, "X-Accel-Buffering", "no");  // nginx would hold it back (trap 97)
    }
    if (!dated) {
        append_header(out_, "Date", rules_.date.at(rules_.clock.wall_now()));
    }
    if (!content_type.empty()) {
        append_header(out_, "Content-Type", content_type);
    }
    if (length && !bodiless) {
        append_header(out_, "Content-Length", std::to_string(*length));
    } else if (answer_body_ == AnswerBody::chunked) {
        append_header(out_, "Transfer-Encoding", "chunked");
    }
    if (!keep_alive_) {
        append_header(out_, "Connection", "close");
    } else if (request_.minor_version == 0) {
        append_header(out_, "Connection", "keep-alive");
    }
    append_head_end(out_);
}

Task<Result<void>> HttpSession::write(std::string_view bytes) {
    if (answer_ == Answer::cut) {
        co_return client_gone();
    }
    NOVA_CHECK(answer_ == Answer::begun);
    if (bytes.empty() || answer_body_ == AnswerBody::none) {
        co_return Result<void>{};
    }
    const ChunkSizeLine line = chunk_size_line(bytes.size());
    std::array<std::string_view, 4> pieces{out_, {}, bytes, {}};
    if (answer_body_ == AnswerBody::chunked) {
        pieces[1] = line.view();
        pieces[3] = kChunkEnd;
    } else if (answer_body_ == AnswerBody::length) {
        if (bytes.size() > left_) {
            abort();
            co_return fail(ErrorCode::internal, "The answer is longer than was announced.");
        }
        left_ -= bytes.size();
    }
    std::size_t written = 0;
    auto result = sent_at_once(pieces, written);
    if (!result) {
        result = co_await send_rest(pieces, written);
    }
    out_.clear();
    co_return *std::move(result);
}

Task<Result<void>> HttpSession::flush() {
    if (answer_ == Answer::cut) {
        co_return client_gone();
    }
    const std::string_view pieces[] = {out_};
    auto result = co_await send(pieces);
    out_.clear();
    co_return result;
}

Task<Result<void>> HttpSession::end() {
    if (answer_ == Answer::cut) {
        co_return client_gone();
    }
    NOVA_CHECK(answer_ == Answer::begun);
    if (answer_body_ == AnswerBody::length && left_ > 0) {
        abort();
        co_return fail(ErrorCode::internal, "The answer is shorter than was announced.");
    }
    const bool chunked = answer_body_ == AnswerBody::chunked;
    const std::string_view pieces[] = {out_, chunked ? kLastChunk : std::string_view{}};
    std::size_t written = 0;
    auto result = sent_at_once(pieces, written);
    if (!result) {
        result = co_await send_rest(pieces, written);
    }
    out_.clear();
    if (*result) {
        answer_ = Answer::ended;
    }
    co_return *std::move(result);
}

void HttpSession::abort() {
    answer_ = Answer::cut;
    keep_alive_ = false;
    connection_->close();
}

// What the kernel takes at once needs neither a coroutine nor a deadline. Empty: the pieces behind
// `written` bytes have to wait.
std::optional<Result<void>>
HttpSession::sent_at_once(std::span<const std::string_view> pieces, std::size_t& written) {
    const std::size_t total = total_of(pieces);
    if (total == 0) {
        return Result<void>{};
    }
    if (total > kSliceBytes) {
        return std::nullopt;
    }
    const auto now = connection_->write_now(pieces);
    if (!now) {
        return sent(propagate(now));
    }
    written = *now;
    return written == total ? std::optional{Result<void>{}} : std::nullopt;
}

Task<Result<void>> HttpSession::send(std::span<const std::string_view> pieces) {
    std::size_t written = 0;
    auto result = sent_at_once(pieces, written);
    if (!result) {
        result = co_await send_rest(pieces, written);
    }
    co_return *std::move(result);
}

// Pieces of any length, at most a slice of them under one deadline.
Task<Result<void>>
HttpSession::send_rest(std::span<const std::string_view> pieces, std::size_t written) {
    expire_in(rules_.limits.write_timeout);
    if (total_of(pieces) <= kSliceBytes) {
        co_return sent(co_await connection_->write_rest(pieces, written));
    }
    for (std::string_view piece : pieces) {
        while (!piece.empty()) {
            const std::string_view slice[] = {piece.substr(0, kSliceBytes)};
            expire_in(rules_.limits.write_timeout);
            auto result = sent(co_await connection_->write_all(slice));
            if (!result) {
                co_return result;
            }
            piece.remove_prefix(slice[0].size());
        }
    }
    co_return Result<void>{};
}

// After a failed write there is nobody to end the answer for.
Result<void> HttpSession::sent(Result<void> result) {
    if (!result) {
        answer_ = Answer::cut;
        keep_alive_ = false;
        if (result.error().code == ErrorCode::unavailable) {
            return client_gone();
        }
    }
    return result;
}

}  // namespace nova::net

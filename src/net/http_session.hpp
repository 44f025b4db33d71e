// One client's connection on the server side: reads requests in order and is each one's Exchange.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "net/body_budget.hpp"
#include "net/exchange.hpp"
#include "net/http_server.hpp"
#include "net/read_buffer.hpp"

namespace nova::net {

// "Sun, 06 Nov 1994 08:49:37 GMT", formatted once a second.
class DateText {
public:
    std::string_view at(WallTime time);

private:
    std::int64_t second_ = -1;
    std::string text_;
};

// What all sessions of a server share; outlives them.
struct SessionRules {
    Clock& clock;
    Log& log;
    const RouteTable& routes;
    ServerLimits limits;
    ErrorRenderer render_error;
    Admission admission;
    bool stopping = false;
    DateText date{};
};

class HttpSession final : public Exchange {
public:
    HttpSession(SessionRules& rules, std::unique_ptr<Connection> connection);

    // Until the connection ends.
    Task<void> run();
    // The server stops: a connection between two requests is closed, another one after its answer.
    void stop();

    const RequestHead& request() const override { return request_; }

    const Peer& peer() const override { return connection_->peer(); }

    std::string_view parameter(std::string_view name) const override;
    Task<Result<std::string>> read_body(std::size_t limit) override;
    Task<Result<void>> respond(
        int status, std::string_view content_type, std::string_view body,
        std::span<const HeaderView> extra
    ) override;
    Task<Result<void>> respond_error(const Error& error) override;
    void begin(int status, std::span<const HeaderView> headers, std::optional<std::uint64_t> length)
        override;
    Task<Result<void>> write(std::string_view bytes) override;
    Task<Result<void>> flush() override;
    Task<Result<void>> end() override;
    void abort() override;

    bool started() const override { return answer_ != Answer::none; }

    void watch_client(std::move_only_function<void()> gone) override;
    void unwatch_client() override;

private:
    enum class Answer : std::uint8_t { none, begun, ended, cut };
    enum class AnswerBody : std::uint8_t { none, length, chunked, until_close };

    struct Refusal {
        int status;
        Error error;
    };

    Task<bool> read_head();
    std::optional<Refusal> accept_head(std::size_t length);
    Task<void> serve_request();
    Task<void> answer_unrouted();
    Task<void> answer_failed(const std::string& failure);
    Task<void> answer_malformed(int status, const Error& error);
    Task<Result<void>>
    respond_with(int status, const Error& error, std::span<const HeaderView> extra);
    Task<bool> drain_request();
    Task<void> linger();

    Task<Result<std::string>> read_coded_body(std::size_t limit);
    Task<Result<std::string>> read_raw_body(std::size_t limit);
    Task<Result<std::string>> inflated(std::string packed, std::size_t limit);
    bool must_continue() const;
    Task<Result<void>> send_continue();
    Task<Result<void>> read_more_body(std::string& body, std::size_t limit);
    Result<void> take_buffered_body(std::string& body, std::size_t limit);
    Result<std::size_t> filled(Result<std::size_t> size);

    void queue_head(
        int status, std::string_view content_type, std::span<const HeaderView> headers,
        std::optional<std::uint64_t> length
    );
    bool will_drain() const;
    std::optional<Result<void>>
    sent_at_once(std::span<const std::string_view> pieces, std::size_t& written);
    Task<Result<void>> send(std::span<const std::string_view> pieces);
    Task<Result<void>> send_rest(std::span<const std::string_view> pieces, std::size_t written);
    Result<void> sent(Result<void> result);
    void expire_in(std::chrono::seconds time);

    SessionRules& rules_;
    std::unique_ptr<Connection> connection_;

    ReadBuffer buffer_;
    bool idle_ = false;

    // The request.
    std::string head_bytes_;
    RequestHead request_;
    Framing framing_;
    std::optional<BodyDecoder> body_;
    BodyBudget::Share share_;
    bool continued_ = false;
    RouteTable::Match match_;

    // The answer.
    Answer answer_ = Answer::none;
    AnswerBody answer_body_ = AnswerBody::none;
    std::uint64_t left_ = 0;  // of the announced Content-Length
    std::string out_;         // queued bytes: the head until the first write
    bool keep_alive_ = true;
    bool linger_ = false;
};

}  // namespace nova::net

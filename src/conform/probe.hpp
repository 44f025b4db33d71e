// What checks try an endpoint with: HTTP/1.1 written by hand, so that it can be written wrongly.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conform/check.hpp"
#include "core/deadline.hpp"
#include "core/secret.hpp"
#include "net/dial.hpp"
#include "net/http_codec.hpp"

namespace nova::conform {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Target {
    Endpoint endpoint{};
    std::string base{};  // in front of "/v1/..." and "/api/..."; without a slash at the end
    Secret key{};
    std::string model{};
    std::string embed_model{};  // empty: the same
};

struct ProbeLimits {
    std::chrono::milliseconds answer{60'000};  // for what a model has to say
    std::chrono::milliseconds brief{5'000};    // for what needs no model
    std::chrono::milliseconds pause{20};       // between pieces that must not arrive together
    std::size_t body_bytes = 16U * 1024U * 1024U;
};

struct Reply {
    int status = 0;  // 0: none came, see trouble
    Fields headers{};
    std::string body{};
    bool complete = false;    // as far as its framing says
    bool keeps_open = false;  // the connection is said to take another request
    bool in_chunks = false;
    unsigned continues = 0;  // 100 Continue seen before it
    std::string trouble{};   // what kept it from being complete

    bool ok() const { return status == 200 && complete; }

    // The first field of that name, in any case; empty when there is none.
    std::string_view header(std::string_view name) const;
    std::size_t count(std::string_view name) const;
};

// "HTTP 400 {"error": ...", or why there was no answer; short and printable.
std::string told(const Reply& reply);

// One connection; every wait has a deadline.
class Wire {
public:
    Wire(std::unique_ptr<net::Connection> connection, Clock& clock, ProbeLimits limits);

    // Error: the peer no longer takes bytes.
    Task<Result<void>> send(std::string bytes);
    // Piece by piece, with a pause in between.
    Task<Result<void>> send_slowly(std::vector<std::string> pieces);

    enum class Interim { skip, tell };  // 1xx answers
    // The next answer on the connection; method: of the request it answers.
    Task<Reply>
    reply(std::string method, std::chrono::milliseconds patience, Interim interim = Interim::skip);
    // True once anything at all of an answer came.
    Task<bool> anything(std::chrono::milliseconds patience);

    // Bytes behind the last answer that nobody asked for.
    std::size_t left_over() const { return buffer_.size(); }

    void end_sending() { connection_->shutdown_send(); }

    void close() { connection_->close(); }

private:
    Task<Result<std::size_t>> fill();
    Task<bool> read_head(Reply& reply, std::string_view method);
    Task<void> read_body(Reply& reply);

    std::unique_ptr<net::Connection> connection_;
    Clock& clock_;
    ProbeLimits limits_;
    std::string buffer_;
    net::Framing framing_;
};

struct Ask {
    std::string method = "GET";
    std::string path;  // below the target's base
    std::string body{};
    Fields headers{};  // besides Host, the key, and what a body needs
};

class Probe {
public:
    Probe(Clock& clock, net::TlsClient* tls, Target target, ProbeLimits limits);

    // What the running check speaks; decides how the key is sent.
    Dialect dialect = Dialect::openai;

    Clock& clock() { return clock_; }

    const Target& target() const { return target_; }

    Target& target() { return target_; }

    const ProbeLimits& limits() const { return limits_; }

    // An error is remembered: see lost().
    Task<Result<std::unique_ptr<Wire>>> connect();
    // Whether somebody listens; changes nothing.
    Task<Result<void>> reachable();

    // Request line and fields with the key, up to and without the blank line.
    std::string head(const Ask& ask) const;
    // The whole request. A body has its length and is JSON unless the headers say otherwise.
    std::string request(const Ask& ask) const;

    // On a connection of its own, closed afterwards.
    Task<Reply> ask(Ask ask);
    Task<Reply> get(std::string path);
    Task<Reply> post(std::string path, std::string body);
    // The same answer for everybody who asks by this name: several checks judge one stream.
    Task<Reply> once(std::string name, Ask ask);

    // True when a connection could not be made since this was last asked.
    bool lost() { return std::exchange(lost_, false); }

private:
    void add_key(std::string& head, const Fields& given) const;

    Clock& clock_;
    net::TlsClient* tls_;
    Target target_;
    ProbeLimits limits_;
    std::map<std::string, Reply> kept_;
    bool lost_ = false;
};

}  // namespace nova::conform

// Client side of HTTP/1.1: one connection's exchange of messages, and the pool that keeps them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/deadline.hpp"
#include "net/connection.hpp"
#include "net/dial.hpp"
#include "net/http_codec.hpp"
#include "net/read_buffer.hpp"

namespace nova::net {

// One request at a time. After an error, a close-framed or an unfinished answer it is not reusable.
class UpstreamConnection {
public:
    UpstreamConnection(std::unique_ptr<Connection> connection, HeadLimits limits);

    // head: request line and fields, complete with the blank line (append_* of http_codec).
    // When the peer answers before it took the whole body, the answer can still be read and the
    // connection is not reused (trap 21).
    Task<Result<void>> send(std::string_view head, std::string_view body, std::string_view method);
    // Skips 1xx. The views are valid until the next send() or read_head().
    Task<Result<const ResponseHead*>> read_head();
    // The next bytes of the body, empty at its end; the view is valid until the next call.
    Task<Result<std::string_view>> read_body_some();
    // The same without a wait: what has come already, or that the body is at its end. Empty when
    // read_body_some has to wait for more.
    std::optional<Result<std::string_view>> buffered_body();
    bool body_done() const;

    // Bytes received of the current answer, head included: 0 means it may be retried elsewhere.
    std::uint64_t bytes_received() const { return received_; }

    bool reusable() const;

    Connection& connection() { return *connection_; }

    void close() { connection_->close(); }

private:
    Result<std::size_t> filled(Result<std::size_t> size);
    Result<std::string_view> take_buffered();

    std::unique_ptr<Connection> connection_;
    HeadLimits limits_;
    ReadBuffer buffer_;
    std::string head_bytes_;
    ResponseHead head_;
    Framing framing_;
    std::optional<BodyDecoder> body_;
    std::string method_;
    std::uint64_t received_ = 0;
    bool sent_completely_ = false;
    bool failed_ = false;
    std::optional<Error> broken_;  // told once the data before it was taken
};

// One per worker thread. Unlimited in use (a cap would be a hidden queue, trap 30), at most
// max_idle kept per endpoint, none longer than idle_limit.
class UpstreamPool {
public:
    struct Limits {
        std::size_t max_idle = 64;
        std::chrono::seconds idle_limit{4};  // below uvicorn's 5 s (reference/gateway.md trap 26)
        HeadLimits head{};
        // To what is idle, so that a system call less tells whether it is still clean.
        bool listens = false;
    };

    UpstreamPool(Clock& clock, TlsClient* tls, Limits limits);
    UpstreamPool(const UpstreamPool&) = delete;
    UpstreamPool& operator=(const UpstreamPool&) = delete;
    ~UpstreamPool();

    struct Acquired {
        std::unique_ptr<UpstreamConnection> connection;
        bool reused = false;  // a failure before the first byte of an answer may be stale
    };
    enum class Freshness { any, fresh };
    // An idle connection that is clean; empty when there is none.
    std::optional<Acquired> take_idle(const Endpoint& endpoint);
    Task<Result<Acquired>> acquire(Endpoint endpoint, Deadline deadline, Freshness freshness);
    // Keeps it when reusable and clean, else closes it.
    void release(const Endpoint& endpoint, std::unique_ptr<UpstreamConnection> connection);
    // Closes everything that is idle. With Limits::listens an event loop does not end before.
    void clear();
    // Closes what is idle towards that endpoint: the instance behind it is going away.
    void forget(const Endpoint& endpoint);
    std::size_t idle() const;

    // For endpoints with tls, from now on; tls outlives the pool.
    void use_tls(TlsClient& tls) { tls_ = &tls; }

private:
    struct Idle;

    struct EndpointHash {
        std::size_t operator()(const Endpoint& endpoint) const {
            return std::hash<std::string>{}(endpoint.host) + endpoint.port;
        }
    };

    void drop_old(std::vector<Idle>& stack, TimePoint now) const;

    Clock& clock_;
    TlsClient* tls_;
    Limits limits_;
    std::unordered_map<Endpoint, std::vector<Idle>, EndpointHash> idle_;
};

}  // namespace nova::net

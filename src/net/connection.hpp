// A stream of bytes to somebody: tcp, tls, unix socket, or a script in tests.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/strong.hpp"
#include "core/task.hpp"

namespace nova::net {

// Who is at the other end, as the kernel says (never as a header says).
struct Peer {
    std::string address;  // "127.0.0.1", "::1", "unix"
    std::uint16_t port = 0;
    bool loopback = false;  // 127.0.0.0/8, ::1, v4-mapped loopback, unix socket
};

// Single-threaded; every operation is awaited on the executor the connection was made with.
// Errors: timeout (expire_at passed), cancelled (close() or the coroutine was cancelled),
// unavailable (reset, broken pipe, unreachable).
class Connection {
public:
    virtual ~Connection() = default;

    // Bytes read, at least 1; 0 means the peer finished sending.
    virtual Task<Result<std::size_t>> read_some(std::span<char> into) = 0;
    // Writes all pieces, in order, with as few system calls as the kernel allows. The pieces must
    // stay valid until it returns.
    virtual Task<Result<void>> write_all(std::span<const std::string_view> pieces) = 0;

    // The same in two steps, because nearly every write is done by the first, which makes no
    // coroutine and knows no deadline: how many bytes went without a wait, and then the rest of
    // the pieces behind that many.
    virtual Result<std::size_t> write_now(std::span<const std::string_view> pieces);
    virtual Task<Result<void>>
    write_rest(std::span<const std::string_view> pieces, std::size_t written);

    // From this time on pending and new operations fail with timeout. TimePoint::max(): never.
    // Costs nothing per call in the common case (the timer is moved only when it has to fire
    // earlier).
    virtual void expire_at(TimePoint time) = 0;

    // Calls back once when the peer has closed (FIN) or reset, even behind unread bytes. Not while
    // a read is pending. One watcher at a time; unwatch_peer() or close() ends it without a call.
    virtual void watch_peer(std::move_only_function<void()> gone) = 0;
    virtual void unwatch_peer() = 0;

    // Begins the next read before anybody waits for it. For who lies idle: the event loop then
    // hears at once what the peer does.
    virtual void read_ahead() {}

    // False when the peer closed, reset, or sent bytes nobody asked for: do not reuse it.
    virtual bool idle_and_clean() = 0;

    // The same by what the event loop has heard so far: after read_ahead() without a system call.
    virtual bool nothing_heard() { return idle_and_clean(); }

    // Between two pieces of a long message: has the peer answered already, or closed? What is only
    // its protocol's (a TLS server's session tickets) is no answer. Waits for nothing that has not
    // come yet.
    virtual Task<bool> answered_early();

    virtual void shutdown_send() = 0;  // FIN; reading goes on
    virtual void close() = 0;          // pending operations end with cancelled; idempotent
    virtual const Peer& peer() const = 0;

    Task<Result<void>> write(std::string_view bytes);
};

}  // namespace nova::net

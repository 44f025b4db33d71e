// System calls first, the reactor only when the kernel would block; one timer per connection that
// moves only to fire earlier.
#include "net/socket_connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <poll.h>
#include <sys/uio.h>

namespace nova::net {
namespace {

using Socket = asio::generic::stream_protocol::socket;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// decisions.md 2.5: a worker runs at most about a millisecond in one go. A small send costs 5 to
// 10 us, so that 64 of them or 256 KiB are on the safe side.
constexpr std::size_t kBurstOperations = 64;
constexpr std::size_t kBurstBytes = 256U * 1024U;

// How often a closed peer is looked for while unread bytes hide its FIN from the reactor.
constexpr std::chrono::milliseconds kPeerPoll{250};

constexpr std::size_t kPiecesAtOnce = 16;

// What is read before anybody asks for it: a request of usual length, or the head of an answer.
constexpr std::size_t kAheadBytes = 4096;

Error socket_error(int number) {
    return {
        .code = ErrorCode::unavailable,
        .message = "The connection broke: " + std::string{std::strerror(number)} + "."
    };
}

bool would_block(int number) {
    return number == EAGAIN || number == EWOULDBLOCK;
}

// One sendmsg for what is left of the pieces behind the first `skip` bytes.
ssize_t send_pieces(int descriptor, std::span<const std::string_view> pieces, std::size_t skip) {
    std::array<iovec, kPiecesAtOnce> vectors;
    std::size_t count = 0;
    for (const std::string_view piece : pieces) {
        if (skip >= piece.size()) {
            skip -= piece.size();
            continue;
        }
        // sendmsg does not write through the pointer; iovec has no const.
        vectors[count].iov_base = const_cast<char*>(piece.data()) + skip;
        vectors[count].iov_len = piece.size() - skip;
        skip = 0;
        if (++count == vectors.size()) {
            break;
        }
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    return ::sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

// Shared with handlers that are queued already when the connection is destroyed.
struct SocketConnection::State : std::enable_shared_from_this<SocketConnection::State> {
    State(asio::any_io_executor executor, Descriptor descriptor, const SocketAddress& address)
        : socket{executor}, timer{executor}, poll_timer{executor}, peer{peer_of(address)} {
        error_code code;
        const asio::generic::stream_protocol protocol{
            address.family(), address.family() == AF_UNIX ? 0 : IPPROTO_TCP
        };
        socket.assign(protocol, descriptor.get(), code);
        if (code) {
            closed = true;  // the epoll table is full: every operation says so
            return;
        }
        number = descriptor.release();
    }

    bool usable() const { return !closed && !expired; }

    Error failure(const error_code& code) const {
        if (expired && !closed) {
            return {.code = ErrorCode::timeout, .message = "The connection timed out."};
        }
        if (closed || code == asio::error::operation_aborted) {
            return {.code = ErrorCode::cancelled, .message = "The connection was closed."};
        }
        return socket_error(code.value());
    }

    // False when the burst is over and the event loop has to have its turn.
    bool take_from_burst(std::size_t bytes) {
        burst_bytes += bytes;
        return ++burst_operations < kBurstOperations && burst_bytes < kBurstBytes;
    }

    bool burst_is_over() const {
        return burst_operations + 1 >= kBurstOperations || burst_bytes >= kBurstBytes;
    }

    void new_burst() {
        burst_operations = 0;
        burst_bytes = 0;
    }

    void arm(TimePoint time) {
        armed = time;
        timer.expires_at(time);
        timer.async_wait([self = shared_from_this(), time](const error_code& code) {
            // armed differs when this handler was queued before the timer was moved.
            if (!code && self->armed == time) {
                self->fire(time);
            }
        });
    }

    void fire(TimePoint time) {
        armed = TimePoint::max();
        if (closed || deadline == TimePoint::max()) {
            return;
        }
        if (deadline > time) {
            arm(deadline);
            return;
        }
        expired = true;
        error_code ignored;
        socket.cancel(ignored);
    }

    // The kernel has neither bytes nor an end for us.
    bool quiet() const {
        char byte = 0;
        const ssize_t count = ::recv(number, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        return count < 0 && (would_block(errno) || errno == EINTR);
    }

    bool hung_up() const {
        pollfd entry{.fd = number, .events = POLLRDHUP, .revents = 0};
        return ::poll(&entry, 1, 0) > 0;
    }

    // A read that nobody waits for yet. It watches the peer, and the next request comes by it: a
    // wait for readiness beside the reads would cost a system call, and a turn of the event loop
    // when both are woken. One that is still pending from an earlier watcher serves the next.
    void begin_ahead() {
        if (closed || ahead.pending || !ahead.nothing()) {
            return;
        }
        if (!ahead.buffer) {
            ahead.buffer = std::make_unique_for_overwrite<std::array<char, kAheadBytes>>();
        }
        ahead.pending = true;
        socket.async_read_some(
            asio::buffer(*ahead.buffer),
            [self = shared_from_this()](const error_code& code, std::size_t size) {
                self->ahead_ended(code, size);
            }
        );
    }

    void ahead_ended(const error_code& code, std::size_t size) {
        ahead.pending = false;
        new_burst();
        const bool failed = code && code != asio::error::eof;
        if (!failed) {
            ahead.size = size;
            ahead.ended = size == 0;
            maybe_readable = size == kAheadBytes;
        } else if (!waiting && code != asio::error::operation_aborted) {
            ahead.broken = code;
        }
        if (waiting) {
            end_wait(failed ? Result<std::size_t>{fail(failure(code))} : take_ahead(wanted));
        } else {
            look_at_peer();
        }
    }

    Result<std::size_t> take_ahead(std::span<char> into) {
        if (ahead.broken) {
            return fail(failure(ahead.broken));
        }
        const std::size_t size = std::min(into.size(), ahead.size - ahead.taken);
        std::copy_n(ahead.buffer->data() + ahead.taken, size, into.data());
        ahead.taken += size;
        if (ahead.taken == ahead.size) {
            ahead.taken = 0;
            ahead.size = 0;
        }
        return size;
    }

    void end_wait(Result<std::size_t> result) {
        wait_slot.clear();
        // Moved out first: what it resumes may wait again.
        auto call = std::exchange(waiting, {});
        call(std::move(result));
    }

    void cancel_wait() {
        if (waiting) {
            wait_slot.clear();
            asio::post(socket.get_executor(), [call = std::exchange(waiting, {})]() mutable {
                call(fail(ErrorCode::cancelled, "The read was cancelled."));
            });
        }
    }

    void look_at_peer() {
        if (!gone || closed) {
            return;
        }
        if (ahead.nothing()) {
            begin_ahead();
            return;
        }
        if (ahead.size > 0 && !hung_up()) {
            poll_later();
            return;
        }
        // Moved out first: it may close, unwatch or watch again.
        auto call = std::exchange(gone, {});
        call();
    }

    void poll_later() {
        poll_timer.expires_after(kPeerPoll);
        poll_timer.async_wait([self = shared_from_this()](const error_code& code) {
            if (!code) {
                self->look_at_peer();
            }
        });
    }

    Socket socket;
    asio::steady_timer timer;
    asio::steady_timer poll_timer;
    int number = -1;
    TimePoint deadline = TimePoint::max();
    TimePoint armed = TimePoint::max();  // when the timer fires; max: it is not running
    bool expired = false;
    bool closed = false;
    // False after a short read: the buffer was empty then, and another recv would mostly say so.
    bool maybe_readable = false;
    std::size_t burst_operations = 0;
    std::size_t burst_bytes = 0;
    std::move_only_function<void()> gone;

    // What was read ahead, or that there is no more.
    struct Ahead {
        bool nothing() const { return size == 0 && !ended && !broken; }

        std::unique_ptr<std::array<char, kAheadBytes>> buffer{};  // made with the first one
        bool pending = false;
        std::size_t taken = 0;
        std::size_t size = 0;
        bool ended = false;
        error_code broken{};
    } ahead;

    // Who waits for the bytes of a read that was begun ahead, and where they go.
    std::move_only_function<void(Result<std::size_t>)> waiting;
    std::span<char> wanted;
    asio::cancellation_slot wait_slot;
    Peer peer;
};

SocketConnection::SocketConnection(
    asio::any_io_executor executor, Descriptor descriptor, const SocketAddress& peer, Origin origin
)
    : state_{std::make_shared<State>(std::move(executor), std::move(descriptor), peer)} {
    state_->maybe_readable = origin == Origin::accepted;
}

SocketConnection::~SocketConnection() {
    close();
}

Task<Result<void>> SocketConnection::connect(SocketAddress address) {
    const auto state = state_;
    if (!state->usable()) {
        co_return fail(state->failure({}));
    }
    if (::connect(state->number, address.get(), address.size) == 0) {
        co_return Result<void>{};
    }
    if (errno != EINPROGRESS) {
        co_return fail(socket_error(errno));
    }
    const auto [code] = co_await state->socket.async_wait(Socket::wait_write, kAwait);
    if (code || !state->usable()) {
        co_return fail(state->failure(code));
    }
    int result = 0;
    socklen_t size = sizeof result;
    ::getsockopt(state->number, SOL_SOCKET, SO_ERROR, &result, &size);
    if (result != 0) {
        co_return fail(socket_error(result));
    }
    co_return Result<void>{};
}

// Asio's handler of a read that ends a coroutine's wait with our Result: a frame less than a
// coroutine around Asio's own awaitable.
template <class Handler>
struct SocketConnection::ReadHandler {
    void operator()(const error_code& code, std::size_t size) {
        state->new_burst();
        if (!code) {
            state->maybe_readable = size == wanted;
        }
        Result<std::size_t> result = size;  // 0 at the end of input
        if (code && code != asio::error::eof) {
            result = fail(state->failure(code));
        }
        state.reset();
        std::move(handler)(std::move(result));
    }

    // The executor, allocator and cancellation of the coroutine that waits.
    using executor_type = asio::associated_executor_t<Handler>;
    using allocator_type = asio::associated_allocator_t<Handler>;
    using cancellation_slot_type = asio::associated_cancellation_slot_t<Handler>;

    executor_type get_executor() const noexcept { return asio::get_associated_executor(handler); }

    allocator_type get_allocator() const noexcept {
        return asio::get_associated_allocator(handler);
    }

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return asio::get_associated_cancellation_slot(handler);
    }

    Handler handler;
    std::shared_ptr<State> state;
    std::size_t wanted;
};

Task<Result<std::size_t>> SocketConnection::read_some(std::span<char> into) {
    const State& state = *state_;
    if (state.usable() && state.ahead.pending) {
        return wait_for_ahead(into);
    }
    if (state.usable() && !state.maybe_readable && state.ahead.nothing()) {
        return wait_and_read(into);
    }
    return read_at_once(into);
}

// For bytes of a read that is pending already.
Task<Result<std::size_t>> SocketConnection::wait_for_ahead(std::span<char> into) {
    const auto start = [](auto handler, std::shared_ptr<State> state, std::span<char> to) {
        NOVA_CHECK(!state->waiting);
        state->wanted = to;
        state->wait_slot = asio::get_associated_cancellation_slot(handler);
        if (state->wait_slot.is_connected()) {
            state->wait_slot.assign([owner = state.get()](asio::cancellation_type) {
                owner->cancel_wait();
            });
        }
        state->waiting = std::move(handler);
    };
    return asio::async_initiate<decltype(asio::use_awaitable), void(Result<std::size_t>)>(
        start, asio::use_awaitable, state_, into
    );
}

Task<Result<std::size_t>> SocketConnection::read_at_once(std::span<char> into) {
    const auto state = state_;
    if (!state->usable()) {
        co_return fail(state->failure({}));
    }
    if (!state->ahead.nothing()) {
        co_return state->take_ahead(into);
    }
    if (state->take_from_burst(0)) {
        const ssize_t count = ::recv(state->number, into.data(), into.size(), MSG_DONTWAIT);
        if (count >= 0) {
            const auto size = static_cast<std::size_t>(count);
            state->maybe_readable = size == into.size();
            state->burst_bytes += size;
            co_return size;
        }
        if (!would_block(errno) && errno != EINTR) {
            co_return fail(socket_error(errno));
        }
    }
    co_return co_await wait_and_read(into);
}

// Asio tries a recv itself before it waits, and reads at once when the socket becomes ready:
// cheaper than waiting for readiness (an epoll_ctl each time) and reading here.
Task<Result<std::size_t>> SocketConnection::wait_and_read(std::span<char> into) {
    const auto start = [](auto handler, std::shared_ptr<State> state, std::span<char> to) {
        auto& socket = state->socket;
        using Handler = ReadHandler<decltype(handler)>;
        socket.async_read_some(
            asio::buffer(to.data(), to.size()),
            Handler{std::move(handler), std::move(state), to.size()}
        );
    };
    return asio::async_initiate<decltype(asio::use_awaitable), void(Result<std::size_t>)>(
        start, asio::use_awaitable, state_, into
    );
}

Task<Result<void>> SocketConnection::write_all(std::span<const std::string_view> pieces) {
    return write_rest(pieces, 0);
}

// Not asked for its deadline: without a wait none can pass.
Result<std::size_t> SocketConnection::write_now(std::span<const std::string_view> pieces) {
    State& state = *state_;
    if (state.closed) {
        return fail(state.failure({}));
    }
    if (state.burst_is_over()) {
        return std::size_t{0};  // write_rest gives the event loop its turn
    }
    const ssize_t count = send_pieces(state.number, pieces, 0);
    if (count < 0) {
        if (errno == EINTR || would_block(errno)) {
            return std::size_t{0};
        }
        return fail(socket_error(errno));
    }
    const auto sent = static_cast<std::size_t>(count);
    state.take_from_burst(sent);
    return sent;
}

Task<Result<void>>
SocketConnection::write_rest(std::span<const std::string_view> pieces, std::size_t written) {
    const auto state = state_;
    std::size_t left = 0;
    for (const std::string_view piece : pieces) {
        left += piece.size();
    }
    std::size_t sent = written;
    left -= std::min(left, sent);
    while (left > 0) {
        if (!state->usable()) {
            co_return fail(state->failure({}));
        }
        const ssize_t count = send_pieces(state->number, pieces, sent);
        if (count < 0 && errno != EINTR && !would_block(errno)) {
            co_return fail(socket_error(errno));
        }
        const std::size_t size = count > 0 ? static_cast<std::size_t>(count) : 0;
        sent += size;
        left -= size;
        if (count < 0 && would_block(errno)) {
            const auto [code] = co_await state->socket.async_wait(Socket::wait_write, kAwait);
            state->new_burst();
            if (code) {
                co_return fail(state->failure(code));
            }
        } else if (!state->take_from_burst(size)) {
            state->new_burst();
            // An empty write completes with the next turn of the event loop; unlike asio::post it
            // allocates nothing.
            co_await state->socket.async_write_some(asio::const_buffer{}, kAwait);
        }
    }
    co_return Result<void>{};
}

void SocketConnection::expire_at(TimePoint time) {
    state_->deadline = time;
    state_->expired = false;
    if (time < state_->armed && !state_->closed) {
        state_->arm(time);
    }
}

void SocketConnection::watch_peer(std::move_only_function<void()> gone) {
    if (state_->closed) {
        return;
    }
    State& state = *state_;
    state.gone = std::move(gone);
    if (state.ahead.nothing()) {
        state.begin_ahead();
    } else {
        // It is never called from within this call.
        asio::post(state.socket.get_executor(), [self = state_] { self->look_at_peer(); });
    }
}

void SocketConnection::read_ahead() {
    state_->begin_ahead();
}

bool SocketConnection::nothing_heard() {
    return state_->ahead.pending ? state_->usable() : idle_and_clean();
}

void SocketConnection::unwatch_peer() {
    state_->gone = nullptr;
    state_->poll_timer.cancel();
}

bool SocketConnection::idle_and_clean() {
    return state_->usable() && state_->ahead.nothing() && state_->quiet();
}

void SocketConnection::shutdown_send() {
    if (!state_->closed) {
        ::shutdown(state_->number, SHUT_WR);
    }
}

void SocketConnection::close() {
    if (std::exchange(state_->closed, true)) {
        return;
    }
    state_->gone = nullptr;
    state_->timer.cancel();
    state_->poll_timer.cancel();
    error_code ignored;
    state_->socket.close(ignored);
}

const Peer& SocketConnection::peer() const {
    return state_->peer;
}

}  // namespace nova::net

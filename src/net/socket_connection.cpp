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
#include <boost/asio/generic/stream_protocol.hpp>
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

    enum class Probe : std::uint8_t { alive, unread_bytes, gone };

    Probe probe() const {
        char byte = 0;
        const ssize_t count = ::recv(number, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (count > 0) {
            return Probe::unread_bytes;
        }
        return count < 0 && (would_block(errno) || errno == EINTR) ? Probe::alive : Probe::gone;
    }

    bool hung_up() const {
        pollfd entry{.fd = number, .events = POLLRDHUP, .revents = 0};
        return ::poll(&entry, 1, 0) > 0;
    }

    // A wait that is still pending from an earlier watcher serves the next one: cancelling it
    // would cost a system call and disturb nothing less.
    void wait_for_peer() {
        if (wait_pending) {
            return;
        }
        wait_pending = true;
        socket.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code&) {
            self->wait_pending = false;
            self->look_at_peer();
        });
    }

    void look_at_peer() {
        if (!gone || closed) {
            return;
        }
        switch (probe()) {
        case Probe::alive:
            wait_for_peer();
            return;
        case Probe::unread_bytes:
            if (!hung_up()) {
                poll_later();
                return;
            }
            break;
        case Probe::gone:
            break;
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
    bool wait_pending = false;
    std::size_t burst_operations = 0;
    std::size_t burst_bytes = 0;
    std::move_only_function<void()> gone;
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
    if (state_->usable() && !state_->maybe_readable) {
        return wait_and_read(into);
    }
    return read_at_once(into);
}

Task<Result<std::size_t>> SocketConnection::read_at_once(std::span<char> into) {
    const auto state = state_;
    if (!state->usable()) {
        co_return fail(state->failure({}));
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
    state_->gone = std::move(gone);
    state_->wait_for_peer();
}

void SocketConnection::unwatch_peer() {
    state_->gone = nullptr;
    state_->poll_timer.cancel();
}

bool SocketConnection::idle_and_clean() {
    return state_->usable() && state_->probe() == State::Probe::alive;
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

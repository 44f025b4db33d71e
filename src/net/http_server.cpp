// The listener: accepts in bursts, one session task per connection.
#include "net/http_server.hpp"

#include <cerrno>
#include <cstring>
#include <list>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/http_session.hpp"
#include "net/socket_connection.hpp"

namespace nova::net {
namespace {

constexpr int kBacklog = 4096;
// Connections accepted before everybody else has a turn.
constexpr int kAcceptBurst = 32;
// Out of descriptors: what is running has to end first.
constexpr std::chrono::milliseconds kAcceptPause{100};

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::unexpected<Error> cannot_listen(const Endpoint& at, int number) {
    if (number == EADDRINUSE) {
        return fail(
            ErrorCode::precondition, at.text() + " is in use by another program.",
            "Stop that program or choose another port."
        );
    }
    const ErrorCode code =
        number == EACCES || number == EPERM ? ErrorCode::forbidden : ErrorCode::invalid_argument;
    return fail(code, "Cannot listen on " + at.text() + ": " + std::strerror(number) + ".");
}

// A socket file that nobody listens on any more is what a killed process leaves behind.
bool is_stale(const SocketAddress& address) {
    const auto probe = open_stream_socket(AF_UNIX);
    return probe && ::connect(probe->get(), address.get(), address.size) != 0 &&
           errno == ECONNREFUSED;
}

Result<Descriptor> bound_socket(const Endpoint& at, PortSharing sharing) {
    Endpoint literal = at;
    if (literal.host == "localhost") {
        literal.host = "127.0.0.1";
    }
    const auto address = literal_address(literal);
    if (!address) {
        return propagate(address);
    }
    auto descriptor = open_stream_socket(address->family());
    if (!descriptor) {
        return propagate(descriptor);
    }
    const int on = 1;
    if (address->family() == AF_UNIX) {
        if (is_stale(*address)) {
            ::unlink(reinterpret_cast<const sockaddr_un*>(address->get())->sun_path);
        }
    } else {
        ::setsockopt(descriptor->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        // Accepted sockets inherit it: one system call less per connection.
        ::setsockopt(descriptor->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (sharing == PortSharing::reuse_port) {
            ::setsockopt(descriptor->get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        }
    }
    if (::bind(descriptor->get(), address->get(), address->size) != 0) {
        return cannot_listen(at, errno);
    }
    return descriptor;
}

Result<Endpoint> local_endpoint(const Descriptor& descriptor) {
    SocketAddress address;
    if (::getsockname(descriptor.get(), address.get(), &address.size) != 0) {
        return fail(ErrorCode::internal, "The bound address could not be read.");
    }
    return endpoint_of(address);
}

}  // namespace

struct HttpServer::State {
    State(
        asio::any_io_executor e, Clock& clock, Log& log, const RouteTable& routes,
        ServerLimits limits, ErrorRenderer render_error, Admission admission
    )
        : executor{std::move(e)},
          rules{
              .clock = clock,
              .log = log,
              .routes = routes,
              .limits = limits,
              .render_error = render_error,
              .admission = std::move(admission)
          },
          listener{executor}, tasks{executor}, closer{executor} {}

    Task<void> serve(std::unique_ptr<Connection> connection);
    Task<void> cut_at(Deadline deadline);
    bool accept_burst();
    void accepted(Descriptor descriptor, const SocketAddress& peer);

    asio::any_io_executor executor;
    SessionRules rules;
    asio::posix::stream_descriptor listener;
    std::list<HttpSession*> sessions;
    TaskGroup tasks;
    TaskGroup closer;
};

Task<void> HttpServer::State::serve(std::unique_ptr<Connection> connection) {
    HttpSession session{rules, std::move(connection)};

    // Leaves the list however the coroutine ends.
    struct Entry {
        std::list<HttpSession*>& list;
        std::list<HttpSession*>::iterator place;

        ~Entry() { list.erase(place); }
    };

    const Entry entry{sessions, sessions.insert(sessions.end(), &session)};
    co_await session.run();
}

void HttpServer::State::accepted(Descriptor descriptor, const SocketAddress& peer) {
    if (sessions.size() >= rules.limits.connections) {
        // Best effort in one system call; waiting here would let the flood win.
        constexpr std::string_view kFull = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                                           "Content-Length: 0\r\nConnection: close\r\n\r\n";
        const ssize_t sent =
            ::send(descriptor.get(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        rules.log.warn("http.connections_full", {{"told", sent > 0 ? "yes" : "no"}});
        return;
    }
    auto connection = std::make_unique<SocketConnection>(
        executor, std::move(descriptor), peer, SocketConnection::Origin::accepted
    );
    tasks.spawn("http session", serve(std::move(connection)));
}

// False when accepting makes no sense for a moment.
bool HttpServer::State::accept_burst() {
    for (int i = 0; i < kAcceptBurst; ++i) {
        SocketAddress peer;
        const int number = ::accept4(
            listener.native_handle(), peer.get(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK
        );
        if (number >= 0) {
            accepted(Descriptor{number}, peer);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return true;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rules.log.warn("http.accept_failed", {{"reason", std::strerror(errno)}});
            return false;
        }
        // Anything else happened to that one client (ECONNABORTED, accept(2)).
    }
    return true;
}

Task<void> HttpServer::State::cut_at(Deadline deadline) {
    co_await rules.clock.sleep_until(deadline.at);
    tasks.cancel();
}

HttpServer::HttpServer(
    asio::any_io_executor executor, Clock& clock, Log& log, const RouteTable& routes,
    ServerLimits limits, ErrorRenderer render_error, Admission admission
)
    : state_{std::make_unique<State>(
          std::move(executor), clock, log, routes, limits, render_error, std::move(admission)
      )} {}

HttpServer::~HttpServer() = default;

Result<Endpoint> HttpServer::listen(const Endpoint& at, PortSharing sharing) {
    auto descriptor = bound_socket(at, sharing);
    if (!descriptor) {
        return propagate(descriptor);
    }
    if (::listen(descriptor->get(), kBacklog) != 0) {
        return cannot_listen(at, errno);
    }
    auto endpoint = local_endpoint(*descriptor);
    if (endpoint) {
        boost::system::error_code code;
        state_->listener.assign(descriptor->get(), code);
        if (code) {
            return fail(ErrorCode::internal, "Cannot wait for connections: " + code.message());
        }
        descriptor->release();
    }
    return endpoint;
}

Task<void> HttpServer::run() {
    State& state = *state_;
    while (state.listener.is_open()) {
        const auto [code] =
            co_await state.listener.async_wait(asio::posix::descriptor_base::wait_read, kAwait);
        if (code || !state.listener.is_open()) {
            co_return;
        }
        if (!state.accept_burst()) {
            co_await state.rules.clock.sleep_for(kAcceptPause);
        }
    }
}

void HttpServer::stop() {
    state_->rules.stopping = true;
    boost::system::error_code ignored;
    state_->listener.close(ignored);
    for (HttpSession* session : state_->sessions) {
        session->stop();
    }
}

Task<void> HttpServer::finish(Deadline deadline) {
    State& state = *state_;
    state.closer.spawn("http deadline", state.cut_at(deadline));
    co_await state.tasks.join();
    state.closer.cancel();
    co_await state.closer.join();
}

std::size_t HttpServer::connections() const {
    return state_->sessions.size();
}

Result<void> probe_bind(const Endpoint& at) {
    const auto descriptor = bound_socket(at, PortSharing::exclusive);
    if (!descriptor) {
        return propagate(descriptor);
    }
    // bind(2) with SO_REUSEADDR succeeds beside a socket that only bound: listening settles it.
    if (::listen(descriptor->get(), 1) != 0) {
        return cannot_listen(at, errno);
    }
    return {};
}

}  // namespace nova::net

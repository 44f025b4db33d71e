// Proves that a relayed chunk costs no allocation (decisions.md 3): counts malloc and its kin while
// chunks go from an upstream's socket to a client's, in one run() of the loop as in a worker: what
// Asio keeps for its next frames lives as long as that call. Built without sanitizers: they have
// their own malloc and larger coroutine frames.
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <sys/socket.h>

#include "core/allocation_counter.hpp"
#include "core/task_group.hpp"
#include "net/http_session.hpp"
#include "net/socket_connection.hpp"
#include "net/upstream.hpp"

namespace nova::net {
namespace {

constexpr int kWarmUp = 200;
constexpr int kChunks = 2000;

struct Pair {
    Descriptor ours;
    Descriptor theirs;
};

Pair socket_pair() {
    std::array<int, 2> numbers{};
    NOVA_CHECK(
        ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, numbers.data()) == 0
    );
    return {Descriptor{numbers[0]}, Descriptor{numbers[1]}};
}

std::unique_ptr<Connection> connection_over(asio::io_context& io, Descriptor descriptor) {
    SocketAddress address;
    address.storage.ss_family = AF_UNIX;
    return std::make_unique<SocketConnection>(
        io.get_executor(), std::move(descriptor), address, SocketConnection::Origin::dialed
    );
}

void send_text(const Descriptor& to, std::string_view text) {
    const ssize_t sent = ::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL);
    NOVA_CHECK(sent == static_cast<ssize_t>(text.size()));
}

std::size_t receive_bytes(const Descriptor& from) {
    std::array<char, 65536> buffer{};
    const ssize_t size = ::recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return size > 0 ? static_cast<std::size_t>(size) : 0;
}

// The relay in its smallest form, with the watcher that cancels it.
Task<void> relay(Exchange& exchange, UpstreamConnection& upstream) {
    bool gone = false;
    exchange.watch_client([&] {
        gone = true;
        upstream.close();
    });
    const auto sent = co_await upstream.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", "GET");
    const auto head = co_await upstream.read_head();
    NOVA_CHECK(sent && head);
    exchange.begin((*head)->status, {}, std::nullopt);
    while (true) {
        const auto piece = co_await upstream.read_body_some();
        NOVA_CHECK(piece && !gone);
        if (piece->empty()) {
            break;
        }
        const auto written = co_await exchange.write(*piece);
        NOVA_CHECK(written.has_value());
    }
    exchange.unwatch_client();
    ignore(co_await exchange.end(), "the driver sees what arrived");
}

// Sends the next chunk when the one before has arrived.
struct Driver {
    void next() {
        asio::post(io, [this] { step(); });
    }

    void step() {
        if (sent > 0 && receive_bytes(client) == 0) {
            next();
            return;
        }
        counting = sent >= kWarmUp && sent < kWarmUp + kChunks;
        if (sent < kWarmUp + kChunks) {
            ++sent;
            send_text(server, chunk);
            next();
        } else {
            send_text(server, kLastChunk);
        }
    }

    asio::io_context& io;
    const Descriptor& client;
    const Descriptor& server;
    std::string_view chunk;
    int sent = 0;
};

// Returns the allocations that kChunks chunks took.
long measure(std::string_view chunk) {
    asio::io_context io{1};
    SystemClock clock;
    Log log{Log::Sink::none, LogLevel::error};
    Pair client = socket_pair();
    Pair server = socket_pair();
    UpstreamConnection upstream{connection_over(io, std::move(server.ours)), HeadLimits{}};
    RouteTable routes;
    routes.add("GET", "/", [&](Exchange& exchange) { return relay(exchange, upstream); });
    SessionRules rules{
        .clock = clock,
        .log = log,
        .routes = routes,
        .limits = {},
        .render_error = [](const Error& error) { return error.message; },
        .admission = {}
    };
    HttpSession session{rules, connection_over(io, std::move(client.ours))};
    TaskGroup group{io.get_executor()};
    group.spawn("session", session.run());
    send_text(client.theirs, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    send_text(server.theirs, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    io.poll();
    NOVA_CHECK(receive_bytes(client.theirs) == 0);  // the head goes with the first chunk
    Driver driver{.io = io, .client = client.theirs, .server = server.theirs, .chunk = chunk};
    driver.next();
    io.run();
    NOVA_CHECK(driver.sent == kWarmUp + kChunks);
    NOVA_CHECK(group.running() == 0);
    return std::exchange(allocations, 0);
}

}  // namespace
}  // namespace nova::net

int main() {
    stop_at_allocation = std::getenv("STOP_AT_ALLOCATION") != nullptr;
    const long small = nova::net::measure("5\r\nhello\r\n");
    const long several = nova::net::measure("5\r\nhello\r\n3\r\nabc\r\n1\r\n.\r\n");
    std::printf(
        "allocations in 2000 chunks: %ld; in 2000 reads of 3 chunks: %ld\n", small, several
    );
    return small == 0 && several == 0 ? 0 : 1;
}

// Names are resolved by Asio's resolver thread; the addresses are tried in the resolver's order,
// those that say nothing again and again with more patience.
#include "net/dial.hpp"

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <netinet/tcp.h>

#include "net/address_rules.hpp"
#include "net/socket_connection.hpp"
#include "net/tls_connection.hpp"

namespace nova::net {
namespace {

// An address that does not answer must not use up the time of the next one (trap 31): a dead one of
// the wrong family costs a quarter of a second, and one that is only slow has its turn again.
constexpr std::chrono::milliseconds kFirstPatience{250};
constexpr std::chrono::milliseconds kLastPatience{std::chrono::seconds{32}};

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

SocketAddress address_from(const asio::ip::tcp::endpoint& endpoint) {
    SocketAddress address;
    std::memcpy(&address.storage, endpoint.data(), endpoint.size());
    address.size = static_cast<socklen_t>(endpoint.size());
    return address;
}

std::unexpected<Error> unreachable(const Endpoint& endpoint, const Error& error) {
    if (error.code == ErrorCode::timeout) {
        return fail(ErrorCode::timeout, endpoint.text() + " did not answer in time.");
    }
    if (error.code == ErrorCode::cancelled) {
        return fail(error);
    }
    return fail(ErrorCode::unavailable, endpoint.text() + " cannot be reached: " + error.message);
}

// Also held by the timer's handler: it may be queued already when the name resolves, and then runs
// when the coroutine has gone on or is over.
struct Lookup {
    explicit Lookup(const asio::any_io_executor& executor) : resolver{executor} {}

    asio::ip::tcp::resolver resolver;
    bool late = false;
};

Task<Result<std::vector<SocketAddress>>> addresses_of(Endpoint endpoint, Deadline deadline) {
    if (auto literal = literal_address(endpoint)) {
        co_return std::vector<SocketAddress>{*literal};
    }
    const auto executor = co_await asio::this_coro::executor;
    const auto lookup = std::make_shared<Lookup>(executor);
    asio::steady_timer timer{executor, deadline.at};
    timer.async_wait([lookup](const boost::system::error_code& code) {
        if (!code) {
            lookup->late = true;
            lookup->resolver.cancel();
        }
    });
    const auto [code, results] = co_await lookup->resolver.async_resolve(
        endpoint.host, std::to_string(endpoint.port), kAwait
    );
    timer.cancel();
    if (lookup->late) {
        co_return fail(
            ErrorCode::timeout, "The name " + endpoint.host + " took too long to resolve."
        );
    }
    if (code) {
        co_return fail(
            ErrorCode::unavailable,
            "The name " + endpoint.host + " cannot be resolved: " + code.message() + "."
        );
    }
    std::vector<SocketAddress> addresses;
    for (const auto& entry : results) {
        addresses.push_back(address_from(entry.endpoint()));
    }
    co_return addresses;
}

Task<Result<std::unique_ptr<Connection>>> connect_to(SocketAddress address, Deadline deadline) {
    auto descriptor = open_stream_socket(address.family());
    if (!descriptor) {
        co_return propagate(descriptor);
    }
    if (address.family() != AF_UNIX) {
        const int on = 1;
        ::setsockopt(descriptor->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    const auto executor = co_await asio::this_coro::executor;
    auto connection = std::make_unique<SocketConnection>(
        executor, *std::move(descriptor), address, SocketConnection::Origin::dialed
    );
    connection->expire_at(deadline.at);
    const auto connected = co_await connection->connect(address);
    if (!connected) {
        co_return propagate(connected);
    }
    connection->expire_at(TimePoint::max());
    std::unique_ptr<Connection> result = std::move(connection);
    co_return result;
}

}  // namespace

Task<Result<std::unique_ptr<Connection>>>
dial(Endpoint endpoint, Clock& clock, Deadline deadline, TlsClient* tls) {
    auto addresses = co_await addresses_of(endpoint, deadline);
    if (!addresses) {
        co_return propagate(addresses);
    }
    // Of what is connected to, not of the name: that may resolve differently the next time.
    const bool refused = std::erase_if(*addresses, is_forbidden) > 0;
    if (refused && addresses->empty()) {
        co_return fail(Error{
            .code = ErrorCode::unavailable,
            .message = "nova does not connect to " + endpoint.text() + ".",
            .word = "address_not_allowed",
            .remedy = "Link-local addresses and metadata services of clouds are never used.",
        });
    }
    auto connection = co_await connect_to_first(*addresses, clock, deadline);
    if (connection && endpoint.tls) {
        NOVA_CHECK(tls != nullptr);
        co_return co_await start_tls(*std::move(connection), endpoint.host, *tls, deadline);
    }
    if (!connection) {
        co_return unreachable(endpoint, connection.error());
    }
    co_return connection;
}

Task<Result<std::unique_ptr<Connection>>>
connect_to_first(std::vector<SocketAddress> addresses, Clock& clock, Deadline deadline) {
    Error last{.code = ErrorCode::unavailable, .message = "It has no address."};
    for (auto patience = kFirstPatience; patience <= kLastPatience; patience *= 2) {
        for (std::size_t i = 0; i < addresses.size();) {
            const bool others = addresses.size() > 1;
            const Deadline own =
                others ? earlier(deadline, Deadline::in(clock, patience)) : deadline;
            auto connection = co_await connect_to(addresses[i], own);
            if (connection) {
                co_return connection;
            }
            last = connection.error();
            if (last.code == ErrorCode::timeout) {
                ++i;
            } else {
                addresses.erase(addresses.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        if (addresses.empty() || deadline.passed(clock)) {
            break;
        }
    }
    co_return fail(last);
}

}  // namespace nova::net

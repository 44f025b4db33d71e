// What tests of sockets share: an event loop with a watchdog, a server on a free port, an address
// that never answers, a raw client.
#pragma once

#include <array>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.hpp"
#include "core/task_group.hpp"
#include "net/dial.hpp"
#include "net/http_server.hpp"
#include "net/socket_address.hpp"
#include "net/upstream.hpp"

namespace nova::net::testing {

constexpr std::chrono::seconds kPatience{20};

// Runs body to its end; a test that hangs fails instead.
template <class Body>
void run_on(asio::io_context& io, Body body) {
    std::exception_ptr failure;
    bool ended = false;
    asio::co_spawn(io, std::move(body), [&](std::exception_ptr exception) {
        failure = std::move(exception);
        ended = true;
        io.stop();
    });
    io.restart();
    io.run_for(kPatience);
    ASSERT_TRUE(ended) << "the test did not end in time";
    if (failure) {
        std::rethrow_exception(failure);
    }
}

class Server {
public:
    explicit Server(asio::io_context& io, ServerLimits limits = {}, Admission admission = {})
        : group_{io.get_executor()},
          server_{io.get_executor(),   clock_, log_, routes, limits, &Server::render,
                  std::move(admission)} {}

    RouteTable routes;  // add before start()

    Endpoint start() {
        auto endpoint = server_.listen({.host = "127.0.0.1"}, PortSharing::exclusive);
        EXPECT_TRUE(endpoint.has_value());
        group_.spawn("server", server_.run());
        return endpoint ? *endpoint : Endpoint{};
    }

    HttpServer& http() { return server_; }

    Log& log() { return log_; }

    Task<void> stop() {
        server_.stop();
        co_await server_.finish(Deadline::in(clock_, std::chrono::seconds{5}));
        co_await group_.join();
    }

private:
    static std::string render(const Error& error) {
        return "{\"word\":\"" + std::string{error.name()} + "\"}";
    }

    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::debug};
    TaskGroup group_;
    HttpServer server_;
};

// Listens and lets nobody in: its queue is full, so the kernel does not answer.
class SilentAddress {
public:
    SilentAddress() {
        address_ = *literal_address({.host = "127.0.0.1"});
        EXPECT_EQ(::bind(listener_, address_.get(), address_.size), 0);
        EXPECT_EQ(::getsockname(listener_, address_.get(), &address_.size), 0);
        EXPECT_EQ(::listen(listener_, 0), 0);
        for (int& guest : guests_) {
            guest = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            ::connect(guest, address_.get(), address_.size);
        }
    }

    SilentAddress(const SilentAddress&) = delete;
    SilentAddress& operator=(const SilentAddress&) = delete;

    ~SilentAddress() {
        ::close(listener_);
        for (const int guest : guests_) {
            ::close(guest);
        }
    }

    const SocketAddress& address() const { return address_; }

private:
    int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::array<int, 8> guests_{};
    SocketAddress address_;
};

// Bytes in, bytes out.
class RawClient {
public:
    static Task<RawClient> open(Endpoint endpoint) {
        static SystemClock clock;
        auto connection = co_await dial(endpoint, clock, Deadline::in(clock, kPatience));
        EXPECT_TRUE(connection.has_value()) << (connection ? "" : connection.error().message);
        RawClient client;
        client.connection_ = *std::move(connection);
        client.connection_->expire_at(clock.now() + kPatience);
        co_return client;
    }

    Task<void> send(std::string bytes) {
        const auto sent = co_await connection_->write(bytes);
        EXPECT_TRUE(sent.has_value()) << (sent ? "" : sent.error().message);
    }

    // Everything until the server closes; a reset is marked at the end.
    Task<std::string> read_all() {
        std::string all;
        std::string buffer(16384, '\0');
        while (true) {
            const auto size = co_await connection_->read_some(buffer);
            if (!size) {
                co_return all + "<" + std::string{size.error().name()} + ">";
            }
            if (*size == 0) {
                co_return all;
            }
            all.append(buffer, 0, *size);
        }
    }

    // Until what was read contains the text.
    Task<std::string> read_until(std::string text) {
        std::string buffer(16384, '\0');
        while (received_.find(text) == std::string::npos) {
            const auto size = co_await connection_->read_some(buffer);
            if (!size || *size == 0) {
                co_return received_ + "<end>";
            }
            received_.append(buffer, 0, *size);
        }
        co_return std::exchange(received_, {});
    }

    Connection& connection() { return *connection_; }

private:
    std::unique_ptr<Connection> connection_;
    std::string received_;
};

}  // namespace nova::net::testing

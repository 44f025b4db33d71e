// Names, dead addresses and unix sockets.
#include <filesystem>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/dial.hpp"
#include "net/http_client.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::run_on;
using testing::Server;
using testing::SilentAddress;

TEST(Dial, FindsLocalhostWhereverItListens) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        Endpoint endpoint = server.start();
        endpoint.host = "localhost";  // ::1 first on most machines, where nobody listens
        auto connection = co_await dial(endpoint, clock, Deadline::in(clock, testing::kPatience));
        EXPECT_TRUE(connection.has_value()) << (connection ? "" : connection.error().message);
        connection = fail(ErrorCode::cancelled, "closed");
        co_await server.stop();
    });
}

// The loop stands still until the name is resolved and the time is up: it then takes the name
// first, and the timer's handler is queued when there is nothing left to be late for.
TEST(Dial, ADeadlineThatPassesAsTheNameResolvesHarmsNobody) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        const Deadline soon = Deadline::in(clock, std::chrono::milliseconds{20});
        asio::post(io, [&clock, soon] {
            while (clock.now() < soon.at + std::chrono::milliseconds{200}) {
            }
        });
        const auto late = co_await dial({.host = "localhost", .port = 1}, clock, soon);
        EXPECT_FALSE(late.has_value());
        for (int turn = 0; turn < 10; ++turn) {
            co_await asio::post(io, asio::use_awaitable);
        }
    });
}

// Trap 31: a family of addresses that leads nowhere costs a moment, not the deadline.
TEST(Dial, AnAddressThatSaysNothingDoesNotKeepTheOthersWaiting) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        const SilentAddress silent;
        const auto alone = co_await connect_to_first(
            {silent.address()}, clock, Deadline::in(clock, std::chrono::milliseconds{50})
        );
        EXPECT_EQ(alone ? ErrorCode::internal : alone.error().code, ErrorCode::timeout);
        Server server{io};
        const SocketAddress alive = *literal_address(server.start());
        auto connection = co_await connect_to_first(
            {silent.address(), alive}, clock, Deadline::in(clock, std::chrono::milliseconds{1900})
        );
        EXPECT_TRUE(connection.has_value()) << (connection ? "" : connection.error().message);
        connection = fail(ErrorCode::cancelled, "closed");
        co_await server.stop();
    });
}

TEST(Dial, NobodyThereIsSaidAtOnce) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        const SocketAddress gone = *literal_address(server.start());
        co_await server.stop();
        const auto refused = co_await connect_to_first({gone, gone}, clock, Deadline::never());
        EXPECT_EQ(refused ? ErrorCode::internal : refused.error().code, ErrorCode::unavailable);
        const auto nobody = co_await connect_to_first({}, clock, Deadline::never());
        EXPECT_EQ(nobody ? ErrorCode::internal : nobody.error().code, ErrorCode::unavailable);
    });
}

TEST(Dial, SpeaksOverUnixSocketsAndReplacesAStaleFile) {
    const std::string path = (std::filesystem::temp_directory_path() /
                              ("nova-net-" + std::to_string(::getpid()) + ".sock"))
                                 .string();
    for (int round = 0; round < 2; ++round) {  // the first round leaves its file behind
        asio::io_context io{1};
        run_on(io, [&]() -> Task<void> {
            SystemClock clock;
            Server server{io};
            server.routes.add("GET", "/host", [](Exchange& exchange) -> Task<void> {
                const auto host = exchange.request().headers.find("Host");
                ignore(co_await exchange.respond(200, "text/plain", host), "test");
            });
            const auto endpoint =
                server.http().listen({.host = "unix:" + path}, PortSharing::exclusive);
            EXPECT_TRUE(endpoint.has_value()) << (endpoint ? "" : endpoint.error().message);
            TaskGroup group{io.get_executor()};
            group.spawn("server", server.http().run());
            FetchRequest request{.endpoint = {.host = "unix:" + path}, .target = "/host"};
            request.deadline = Deadline::in(clock, testing::kPatience);
            const auto answer = co_await fetch(clock, request);
            EXPECT_EQ(answer ? answer->body : answer.error().message, "localhost");
            Server second{io};
            EXPECT_EQ(
                second.http().listen(*endpoint, PortSharing::exclusive).error().code,
                ErrorCode::precondition
            );
            co_await server.stop();
            co_await group.join();
        });
    }
    std::filesystem::remove(path);
}

}  // namespace
}  // namespace nova::net

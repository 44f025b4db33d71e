// Names, dead addresses and unix sockets.
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "net/dial.hpp"
#include "net/http_client.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::run_on;
using testing::Server;

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

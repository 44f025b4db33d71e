// The fake keeps the promises of the interface, in virtual time.
#include <array>
#include <optional>

#include <gtest/gtest.h>

#include "net/scripted_connection.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::run_on;

TEST(ScriptedConnection, HandsSegmentsOverOneByOneAndThenTheEnd) {
    asio::io_context io{1};
    VirtualClock clock;
    ScriptedPeer peer{io.get_executor(), clock};
    const auto connection = peer.connection();
    peer.says_in_pieces("abcde", 3);
    peer.finishes();
    run_on(io, [&]() -> Task<void> {
        std::array<char, 10> bytes{};
        EXPECT_EQ(co_await connection->read_some(bytes), 3U);
        EXPECT_EQ(co_await connection->read_some(bytes), 2U);
        EXPECT_EQ(co_await connection->read_some(bytes), 0U);
        EXPECT_TRUE((co_await connection->write("still open")).has_value());
    });
    EXPECT_EQ(peer.heard(), "still open");
}

TEST(ScriptedConnection, TimesOutInVirtualTimeAndCanBeGivenMore) {
    asio::io_context io{1};
    VirtualClock clock;
    ScriptedPeer peer{io.get_executor(), clock};
    const auto connection = peer.connection();
    const TimePoint start = clock.now();
    connection->expire_at(start + std::chrono::hours{2});
    connection->expire_at(start + std::chrono::seconds{5});
    connection->expire_at(start + std::chrono::seconds{9});
    std::optional<ErrorCode> outcome;
    TaskGroup group{io.get_executor()};
    group.spawn("reader", [](Connection& from, std::optional<ErrorCode>& out) -> Task<void> {
        std::array<char, 10> bytes{};
        const auto late = co_await from.read_some(bytes);
        out = late ? ErrorCode::internal : late.error().code;
    }(*connection, outcome));
    io.poll();
    clock.advance(std::chrono::seconds{8});
    io.restart();
    io.poll();
    EXPECT_FALSE(outcome);
    clock.advance(std::chrono::seconds{1});
    io.restart();
    io.poll();
    EXPECT_EQ(outcome, ErrorCode::timeout);
    EXPECT_EQ(group.running(), 0U);
}

TEST(ScriptedConnection, TellsTheWatcherAndHoldsWritesBack) {
    asio::io_context io{1};
    VirtualClock clock;
    ScriptedPeer peer{io.get_executor(), clock};
    const auto connection = peer.connection();
    int calls = 0;
    connection->watch_peer([&] { ++calls; });
    peer.takes_at_most(4);
    TaskGroup group{io.get_executor()};
    std::optional<ErrorCode> outcome;
    group.spawn("writer", [](Connection& to, std::optional<ErrorCode>& out) -> Task<void> {
        const auto written = co_await to.write("123456");
        out = written ? ErrorCode::internal : written.error().code;
    }(*connection, outcome));
    io.poll();
    EXPECT_EQ(peer.heard(), "1234");
    EXPECT_FALSE(outcome);
    EXPECT_EQ(calls, 0);
    peer.resets();
    io.restart();
    io.poll();
    EXPECT_EQ(outcome, ErrorCode::unavailable);
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(connection->idle_and_clean());
    connection->close();
    EXPECT_TRUE(peer.was_closed());
}

}  // namespace
}  // namespace nova::net

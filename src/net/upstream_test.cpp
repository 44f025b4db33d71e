// The client side against real servers and scripted peers.
#include <algorithm>
#include <iterator>
#include <optional>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "net/scripted_connection.hpp"
#include "net/test_server.hpp"
#include "net/upstream.hpp"

namespace nova::net {
namespace {

using testing::run_on;
using testing::Server;

Task<void> hello(Exchange& exchange) {
    ignore(co_await exchange.respond(200, "text/plain", "hello"), "a test");
}

Task<std::string> ask(UpstreamConnection& upstream) {
    const auto sent = co_await upstream.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", "GET");
    const auto head = co_await upstream.read_head();
    if (!sent || !head) {
        co_return "failed";
    }
    std::string body;
    while (true) {
        const auto piece = co_await upstream.read_body_some();
        if (!piece || piece->empty()) {
            co_return body;
        }
        body.append(*piece);
    }
}

TEST(UpstreamPool, KeepsAConnectionThatEndedItsAnswer) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        server.routes.add("GET", "/", &hello);
        const Endpoint endpoint = server.start();
        UpstreamPool pool{clock, nullptr, {}};
        for (int round = 0; round < 3; ++round) {
            auto acquired = co_await pool.acquire(
                endpoint, Deadline::in(clock, testing::kPatience), UpstreamPool::Freshness::any
            );
            EXPECT_TRUE(acquired.has_value());
            if (!acquired) {
                co_return;
            }
            EXPECT_EQ(acquired->reused, round > 0);
            EXPECT_EQ(co_await ask(*acquired->connection), "hello");
            pool.release(endpoint, std::move(acquired->connection));
            EXPECT_EQ(pool.idle(), 1U);
        }
        pool.forget(endpoint);
        EXPECT_EQ(pool.idle(), 0U);
        co_await server.stop();
    });
}

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Outcome {
    int status = 0;
    std::string body{};
    std::optional<ErrorCode> error{};
    bool reusable = false;
    std::uint64_t received = 0;

    bool operator==(const Outcome&) const = default;
};

// Asks a scripted peer once and says what came of it.
Outcome ask_peer(asio::io_context& io, ScriptedPeer& peer, std::string method = "GET") {
    Outcome outcome;
    run_on(io, [&]() -> Task<void> {
        UpstreamConnection upstream{peer.connection(), HeadLimits{}};
        EXPECT_TRUE((co_await upstream.send(kRequest, "", method)).has_value());
        const auto head = co_await upstream.read_head();
        if (!head) {
            outcome.error = head.error().code;
        }
        while (head) {
            outcome.status = (*head)->status;
            const auto piece = co_await upstream.read_body_some();
            if (!piece) {
                outcome.error = piece.error().code;
            }
            if (!piece || piece->empty()) {
                break;
            }
            outcome.body.append(*piece);
        }
        outcome.reusable = upstream.reusable();
        outcome.received = upstream.bytes_received();
    });
    return outcome;
}

struct Row {
    std::string_view name;
    std::string answer;
    std::string method;
    bool then_closes;
    Outcome outcome;
};

std::vector<Row> good_rows() {
    return {
        {"length",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
         "GET",
         false,
         {.status = 200, .body = "hello", .reusable = true}},
        {"chunked",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: "
         "v\r\n\r\n",
         "GET",
         false,
         {.status = 200, .body = "hello", .reusable = true}},
        {"until close",
         "HTTP/1.1 200 OK\r\n\r\nhello",
         "GET",
         true,
         {.status = 200, .body = "hello"}},
        {"interim answers",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
         "OK\r\nContent-Length: 2\r\n\r\nok",
         "GET",
         false,
         {.status = 200, .body = "ok", .reusable = true}},
        {"head",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
         "HEAD",
         false,
         {.status = 200, .reusable = true}},
        {"204 with length",
         "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
         "GET",
         false,
         {.status = 204, .reusable = true}},
        {"says close",
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
         "GET",
         false,
         {.status = 200, .body = "ok"}},
        {"bytes behind the answer",
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200",
         "GET",
         false,
         {.status = 200, .body = "ok"}},
        {"length beside chunked",
         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0"
         "\r\n\r\n",
         "GET",
         false,
         {.status = 200, .body = "ok"}},
    };
}

std::vector<Row> broken_rows() {
    using enum ErrorCode;
    return {
        {"nothing", "", "GET", true, {.error = unavailable}},
        {"half a head", "HTTP/1.1 200 OK\r\nConte", "GET", true, {.error = upstream_failed}},
        {"half a body",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
         "GET",
         true,
         {.status = 200, .body = "hel", .error = upstream_failed}},
        {"half a chunk",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
         "GET",
         true,
         {.status = 200, .body = "hel", .error = upstream_failed}},
        {"no last chunk",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
         "GET",
         true,
         {.status = 200, .body = "x", .error = upstream_failed}},
        {"garbage", "SSH-2.0-OpenSSH\r\n\r\n", "GET", false, {.error = upstream_failed}},
        {"switching",
         "HTTP/1.1 101 Switching Protocols\r\n\r\n",
         "GET",
         false,
         {.error = upstream_failed}},
        {"two lengths",
         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         "GET",
         false,
         {.error = upstream_failed}},
    };
}

TEST(UpstreamConnection, ReadsTheSameAnswerAtEverySplit) {
    std::vector<Row> rows = good_rows();
    std::ranges::move(broken_rows(), std::back_inserter(rows));
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        for (std::size_t split = 0; split <= row.answer.size(); ++split) {
            asio::io_context io{1};
            SystemClock clock;
            ScriptedPeer peer{io.get_executor(), clock};
            // A last split hands every byte over alone.
            peer.says_in_pieces(row.answer.substr(0, split), split == row.answer.size() ? 1 : 9999);
            peer.says(row.answer.substr(split));
            if (row.then_closes) {
                peer.finishes();
            }
            Outcome expected = row.outcome;
            const Outcome outcome = ask_peer(io, peer, row.method);
            expected.received = outcome.received;
            // Bytes that have not come yet are the pool's business: idle_and_clean() sees them.
            expected.reusable =
                expected.reusable || (outcome.reusable && row.name == "bytes behind the answer");
            ASSERT_EQ(outcome, expected) << split << ": " << outcome.body;
        }
    }
}

TEST(UpstreamConnection, CountsWhatItReceivedSoThatARetryIsSafe) {
    asio::io_context io{1};
    SystemClock clock;
    ScriptedPeer peer{io.get_executor(), clock};
    peer.finishes();
    EXPECT_EQ(ask_peer(io, peer).received, 0U);
    ScriptedPeer talker{io.get_executor(), clock};
    talker.says("H");
    talker.finishes();
    const Outcome outcome = ask_peer(io, talker);
    EXPECT_EQ(outcome.received, 1U);
    EXPECT_EQ(outcome.error, ErrorCode::upstream_failed);
}

// Trap 21: 401 or 429 in the middle of an upload.
TEST(UpstreamConnection, StopsSendingWhenTheAnswerIsThere) {
    asio::io_context io{1};
    SystemClock clock;
    ScriptedPeer peer{io.get_executor(), clock};
    peer.says("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    run_on(io, [&]() -> Task<void> {
        UpstreamConnection upstream{peer.connection(), HeadLimits{}};
        const std::string body(10U << 20U, 'x');
        EXPECT_TRUE((co_await upstream.send(kRequest, body, "POST")).has_value());
        EXPECT_LT(peer.heard().size(), 1U << 20U);
        const auto head = co_await upstream.read_head();
        EXPECT_EQ(head ? (*head)->status : 0, 401);
        EXPECT_EQ(co_await upstream.read_body_some(), "no");
        EXPECT_TRUE(upstream.body_done());
        EXPECT_FALSE(upstream.reusable());
    });
}

// The same with a real socket whose owner answers, does not read, and closes: a reset.
TEST(UpstreamConnection, ReadsTheAnswerOfAPeerThatHungUpOnTheBody) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io, ServerLimits{.head = {}, .body_bytes = 1000}};
        server.routes.add("POST", "/", [](Exchange& exchange) -> Task<void> {
            const Error error{.code = ErrorCode::unauthorized, .message = "no"};
            ignore(co_await exchange.respond_error(error), "a test");
        });
        const auto deadline = Deadline::in(clock, testing::kPatience);
        auto connection = co_await dial(server.start(), clock, deadline);
        UpstreamConnection upstream{*std::move(connection), HeadLimits{}};
        const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
        const auto sent = co_await upstream.send(head, std::string(99'999'999, 'x'), "POST");
        EXPECT_TRUE(sent.has_value());
        const auto answer = co_await upstream.read_head();
        EXPECT_EQ(answer ? (*answer)->status : 0, 401);
        EXPECT_FALSE(upstream.reusable());
        upstream.close();
        co_await server.stop();
    });
}

TEST(UpstreamPool, DropsAConnectionThatThePeerClosedOrSpokeOn) {
    for (const int kind : {0, 1, 2, 3}) {
        const bool speaks = kind % 2 == 1;
        const bool listens = kind >= 2;
        SCOPED_TRACE(kind);
        asio::io_context io{1};
        run_on(io, [&]() -> Task<void> {
            VirtualClock clock;
            Server server{io};
            server.routes.add("GET", "/", [&](Exchange& exchange) -> Task<void> {
                ignore(co_await exchange.respond(200, "text/plain", "hello"), "a test");
            });
            const Endpoint endpoint = server.start();
            UpstreamPool pool{clock, nullptr, {.listens = listens}};
            const auto any = UpstreamPool::Freshness::any;
            auto first = co_await pool.acquire(endpoint, Deadline::never(), any);
            EXPECT_EQ(co_await ask(*first->connection), "hello");
            if (speaks) {
                // The peer's surplus: the answer to a request we have forgotten.
                EXPECT_TRUE((co_await first->connection->connection().write(kRequest)).has_value());
            }
            pool.release(endpoint, std::move(first->connection));
            EXPECT_EQ(pool.idle(), 1U);
            if (!speaks) {
                server.http().stop();
                co_await server.stop();
            } else {
                for (int i = 0; i < 20; ++i) {
                    co_await asio::post(io, asio::use_awaitable);
                }
            }
            const auto again = co_await pool.acquire(endpoint, Deadline::never(), any);
            if (speaks) {
                EXPECT_TRUE(again && !again->reused);
                co_await server.stop();
            } else {
                EXPECT_EQ(again ? ErrorCode::internal : again.error().code, ErrorCode::unavailable);
            }
            EXPECT_EQ(pool.idle(), 0U);
        });
    }
}

// What lies idle must not keep a program from ending.
TEST(UpstreamPool, LetsTheEventLoopEndWhenItIsCleared) {
    asio::io_context io{1};
    VirtualClock clock;
    Server server{io};
    server.routes.add("GET", "/", [&](Exchange& exchange) -> Task<void> {
        ignore(co_await exchange.respond(200, "text/plain", "hello"), "a test");
    });
    UpstreamPool pool{clock, nullptr, {.listens = true}};
    run_on(io, [&]() -> Task<void> {
        const Endpoint endpoint = server.start();
        const auto any = UpstreamPool::Freshness::any;
        for (int round = 0; round < 3; ++round) {
            auto acquired = co_await pool.acquire(endpoint, Deadline::never(), any);
            EXPECT_EQ(acquired->reused, round > 0);
            EXPECT_EQ(co_await ask(*acquired->connection), "hello");
            pool.release(endpoint, std::move(acquired->connection));
        }
        EXPECT_EQ(pool.idle(), 1U);
        pool.clear();
        EXPECT_EQ(pool.idle(), 0U);
        co_await server.stop();
    });
    io.restart();
    const TimePoint begin = SystemClock{}.now();
    io.run_for(testing::kPatience);
    EXPECT_LT(SystemClock{}.now() - begin, testing::kPatience);
}

TEST(UpstreamPool, KeepsNothingBeyondItsLimits) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        VirtualClock clock;
        Server server{io};
        server.routes.add("GET", "/", &hello);
        const Endpoint endpoint = server.start();
        UpstreamPool pool{clock, nullptr, {.max_idle = 2}};
        std::vector<std::unique_ptr<UpstreamConnection>> connections;
        for (int i = 0; i < 3; ++i) {
            auto acquired =
                co_await pool.acquire(endpoint, Deadline::never(), UpstreamPool::Freshness::fresh);
            EXPECT_EQ(co_await ask(*acquired->connection), "hello");
            connections.push_back(std::move(acquired->connection));
        }
        for (auto& connection : connections) {
            pool.release(endpoint, std::move(connection));
        }
        EXPECT_EQ(pool.idle(), 2U);
        clock.advance(std::chrono::seconds{5});
        auto late =
            co_await pool.acquire(endpoint, Deadline::never(), UpstreamPool::Freshness::any);
        EXPECT_FALSE(late->reused);
        EXPECT_EQ(pool.idle(), 0U);
        // Unfinished: sent, not read.
        EXPECT_TRUE((co_await late->connection->send(kRequest, "", "GET")).has_value());
        pool.release(endpoint, std::move(late->connection));
        EXPECT_EQ(pool.idle(), 0U);
        co_await server.stop();
    });
}

}  // namespace
}  // namespace nova::net

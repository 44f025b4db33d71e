// The client side against real servers and scripted peers.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace nova::net

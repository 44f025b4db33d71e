// A budget shared by several requests, and by the sessions of a server.
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/body_budget.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::RawClient;
using testing::run_on;
using testing::Server;

TEST(BodyBudget, IsSharedAndComesBack) {
    BodyBudget budget{100};
    BodyBudget::Share one{&budget};
    EXPECT_TRUE(one.hold(60));
    EXPECT_TRUE(one.hold(50)) << "it does not shrink";
    EXPECT_EQ(budget.held(), 60U);
    {
        BodyBudget::Share two{&budget};
        EXPECT_TRUE(two.could_hold(40));
        EXPECT_FALSE(two.could_hold(41));
        EXPECT_FALSE(two.could_hold(UINT64_MAX));
        EXPECT_FALSE(two.hold(41));
        EXPECT_TRUE(two.hold(40));
        EXPECT_TRUE(two.could_hold(40)) << "it has them";
        EXPECT_FALSE(one.hold(61));
        EXPECT_EQ(budget.held(), 100U);
    }
    EXPECT_EQ(budget.held(), 60U);
    one.give_back();
    one.give_back();
    EXPECT_EQ(budget.held(), 0U);
}

TEST(BodyBudget, WithoutOneThereIsNoLimit) {
    BodyBudget::Share share;
    EXPECT_TRUE(share.could_hold(UINT64_MAX));
    EXPECT_TRUE(share.hold(SIZE_MAX));
    share.give_back();
}

std::string post_of(std::size_t size, std::string_view framing) {
    const std::string head = "POST /hold HTTP/1.1\r\nHost: a\r\n";
    const std::string body(size, 'x');
    if (framing == "length") {
        return head + "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body;
    }
    return head + "Transfer-Encoding: chunked\r\n\r\n" + fmt::format("{:x}", size) + "\r\n" + body +
           "\r\n0\r\n\r\n";
}

// Trap 20: each of them is small enough, together they are not.
TEST(BodyBudget, TurnsAwayWhatIsTooMuchTogether) {
    for (const std::string_view framing : {"length", "chunked"}) {
        SCOPED_TRACE(framing);
        asio::io_context io{1};
        run_on(io, [&]() -> Task<void> {
            const auto budget = std::make_shared<BodyBudget>(1000);
            ServerLimits limits;
            limits.body_budget = budget;
            Server server{io, limits};
            bool go_on = false;
            int holding = 0;
            server.routes.add("POST", "/hold", [&](Exchange& exchange) -> Task<void> {
                const auto body = co_await exchange.read_body(1U << 20U);
                if (!body) {
                    ignore(co_await exchange.respond_error(body.error()), "a test");
                    co_return;
                }
                ++holding;
                while (!go_on) {
                    co_await asio::post(io, asio::use_awaitable);
                }
                ignore(co_await exchange.respond(200, "text/plain", "held"), "a test");
            });
            const Endpoint endpoint = server.start();
            RawClient first = co_await RawClient::open(endpoint);
            co_await first.send(post_of(700, framing));
            while (holding == 0) {
                co_await asio::post(io, asio::use_awaitable);
            }
            RawClient second = co_await RawClient::open(endpoint);
            co_await second.send(post_of(400, framing));
            const std::string refused = co_await second.read_until("}");
            EXPECT_TRUE(refused.starts_with("HTTP/1.1 429 ")) << refused;
            EXPECT_NE(refused.find("Retry-After: 1\r\n"), std::string::npos) << refused;
            EXPECT_NE(refused.find("request_bodies_exhausted"), std::string::npos) << refused;
            EXPECT_EQ(budget->held(), 700U) << "what was refused holds nothing";
            go_on = true;
            EXPECT_TRUE((co_await first.read_until("held")).starts_with("HTTP/1.1 200 "));
            co_await first.send(post_of(900, framing));
            EXPECT_TRUE((co_await first.read_until("held")).starts_with("HTTP/1.1 200 "));
            first.connection().close();
            second.connection().close();
            co_await server.stop();
            EXPECT_EQ(budget->held(), 0U);
        });
    }
}

}  // namespace
}  // namespace nova::net

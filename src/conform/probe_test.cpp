#include <gtest/gtest.h>

#include "conform/probe.hpp"
#include "net/test_server.hpp"

namespace nova::conform {
namespace {

// Sends the bytes to whoever asks, and closes.
class Parrot {
public:
    Parrot(asio::io_context& io, std::string bytes) : server_{io} {
        server_.routes.add("GET", "/v1/models", [bytes](net::Exchange& exchange) -> Task<void> {
            ignore(co_await exchange.respond(200, "text/plain", bytes), "the client judges");
        });
        endpoint_ = server_.start();
    }

    Endpoint endpoint() const { return endpoint_; }

    Task<void> stop() { co_await server_.stop(); }

private:
    net::testing::Server server_;
    Endpoint endpoint_;
};

TEST(Probe, WritesTheKeyAsTheDialectWantsIt) {
    SystemClock clock;
    Probe probe{
        clock,
        nullptr,
        {.endpoint = {.host = "::1", .port = 80}, .base = "/api", .key = Secret{"sk-1"}},
        {}
    };
    const std::string openai = probe.request({.path = "/v1/models"});
    EXPECT_TRUE(openai.starts_with("GET /api/v1/models HTTP/1.1\r\nHost: [::1]\r\n")) << openai;
    EXPECT_NE(openai.find("Authorization: Bearer sk-1\r\n"), std::string::npos);
    EXPECT_EQ(openai.find("Content-Length"), std::string::npos);
    probe.dialect = Dialect::anthropic;
    const std::string anthropic = probe.request({.method = "POST", .path = "/v1/messages"});
    EXPECT_NE(anthropic.find("x-api-key: sk-1\r\n"), std::string::npos);
    EXPECT_NE(anthropic.find("anthropic-version: "), std::string::npos);
    EXPECT_NE(anthropic.find("Content-Length: 0\r\n"), std::string::npos);
    EXPECT_EQ(anthropic.find("Bearer"), std::string::npos);
}

TEST(Probe, ReadsAWholeAnswer) {
    asio::io_context io;
    SystemClock clock;
    Parrot parrot{io, "hello"};
    Probe probe{clock, nullptr, {.endpoint = parrot.endpoint()}, {}};
    net::testing::run_on(io, [&]() -> Task<void> {
        const Reply reply = co_await probe.get("/v1/models");
        EXPECT_TRUE(reply.ok());
        EXPECT_EQ(reply.body, "hello");
        EXPECT_TRUE(reply.keeps_open);
        EXPECT_EQ(reply.header("content-type"), "text/plain");
        EXPECT_EQ(reply.count("Date"), 1U);
        EXPECT_FALSE(probe.lost());
        co_await parrot.stop();
    });
}

TEST(Probe, SaysThatNobodyListens) {
    asio::io_context io;
    SystemClock clock;
    Endpoint closed;
    {
        Parrot parrot{io, ""};
        closed = parrot.endpoint();
        net::testing::run_on(io, [&]() -> Task<void> { co_await parrot.stop(); });
    }
    Probe probe{clock, nullptr, {.endpoint = closed}, {}};
    net::testing::run_on(io, [&]() -> Task<void> {
        const Reply reply = co_await probe.get("/v1/models");
        EXPECT_EQ(reply.status, 0);
        EXPECT_FALSE(reply.trouble.empty());
        EXPECT_TRUE(probe.lost());
        EXPECT_FALSE(probe.lost()) << "asked twice";
    });
}

TEST(Probe, SaysWhenNothingMoreComes) {
    asio::io_context io;
    SystemClock clock;
    Parrot parrot{io, ""};
    Probe probe{clock, nullptr, {.endpoint = parrot.endpoint()}, {}};
    net::testing::run_on(io, [&]() -> Task<void> {
        auto wire = co_await probe.connect();
        EXPECT_TRUE(wire.has_value());
        if (wire) {
            ignore(co_await (*wire)->send("GET /v1/mo"), "half a request");
            const Reply reply = co_await (*wire)->reply("GET", std::chrono::milliseconds{50});
            EXPECT_EQ(reply.status, 0);
            EXPECT_TRUE(reply.trouble.starts_with("nothing more came")) << reply.trouble;
            (*wire)->close();
        }
        co_await parrot.stop();
    });
}

TEST(Reply, IsToldInOneShortLine) {
    const Reply reply{.status = 400, .body = "line\n" + std::string(500, 'a')};
    const std::string text = told(reply);
    EXPECT_TRUE(text.starts_with("HTTP 400 line a")) << text;
    EXPECT_LT(text.size(), 200U);
    EXPECT_EQ(
        told({.trouble = "the connection was closed"}), "no answer: the connection was closed"
    );
}

}  // namespace
}  // namespace nova::conform

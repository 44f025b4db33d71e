// The server over real loopback sockets.
#include <gtest/gtest.h>

#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::RawClient;
using testing::run_on;
using testing::Server;

Task<void> echo(Exchange& exchange) {
    const auto body = co_await exchange.read_body(1U << 20U);
    if (!body) {
        ignore(co_await exchange.respond_error(body.error()), "a test");
        co_return;
    }
    ignore(co_await exchange.respond(200, "text/plain", *body), "a test");
}

Task<void> count_to_three(Exchange& exchange) {
    const HeaderView headers[] = {{"Content-Type", "text/event-stream"}};
    exchange.begin(200, headers, std::nullopt);
    for (const std::string text : {"one", "two", "three"}) {
        ignore(co_await exchange.write(text), "a test");
    }
    ignore(co_await exchange.end(), "a test");
}

void add_routes(Server& server) {
    server.routes.add("POST", "/echo", &echo);
    server.routes.add("GET", "/stream", &count_to_three);
}

TEST(HttpServer, AnswersWholeRequestsAndStreams) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        add_routes(server);
        const Endpoint endpoint = server.start();
        FetchRequest request{.endpoint = endpoint, .method = "POST", .target = "/echo"};
        request.body = std::string(300'000, 'x');
        request.deadline = Deadline::in(clock, testing::kPatience);
        const auto echoed = co_await fetch(clock, request);
        EXPECT_TRUE(echoed && echoed->status == 200 && echoed->body == request.body);
        request = {.endpoint = endpoint, .target = "/stream", .deadline = request.deadline};
        const auto streamed = co_await fetch(clock, request);
        EXPECT_TRUE(streamed.has_value());
        EXPECT_EQ(streamed ? streamed->body : "", "onetwothree");
        co_await server.stop();
        EXPECT_EQ(server.http().connections(), 0U);
    });
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io};
        add_routes(server);
        RawClient client = co_await RawClient::open(server.start());
        co_await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
                             "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"
                             "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        const std::string all = co_await client.read_all();
        EXPECT_NE(all.find("\r\n\r\noneHTTP/1.1 200 OK"), std::string::npos) << all;
        EXPECT_NE(all.find("\r\n\r\ntwoHTTP/1.1 200 OK"), std::string::npos) << all;
        EXPECT_TRUE(all.ends_with("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n")) << all;
        co_await server.stop();
    });
}

}  // namespace
}  // namespace nova::net

// Whole requests, streams and URLs.
#include <gtest/gtest.h>

#include "net/http_client.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::run_on;
using testing::Server;

void add_routes(Server& server) {
    server.routes.add("GET", "/big", [](Exchange& exchange) -> Task<void> {
        const HeaderView extra[] = {{"X-Model", "a"}};
        ignore(co_await exchange.respond(200, "text/plain", std::string(5000, 'x'), extra), "test");
    });
    server.routes.add("GET", "/moved", [](Exchange& exchange) -> Task<void> {
        const HeaderView extra[] = {{"Location", "/big"}};
        ignore(co_await exchange.respond(302, "text/plain", "", extra), "test");
    });
    server.routes.add("GET", "/headers", [](Exchange& exchange) -> Task<void> {
        std::string text;
        for (const HeaderView& field : exchange.request().headers) {
            text.append(field.name).append("=").append(field.value).append(";");
        }
        ignore(co_await exchange.respond(200, "text/plain", text), "test");
    });
}

TEST(Fetch, ReturnsWhatTheServerSaidAndFollowsNothing) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        add_routes(server);
        const Endpoint endpoint = server.start();
        const auto deadline = Deadline::in(clock, testing::kPatience);
        const auto moved =
            co_await fetch(clock, {.endpoint = endpoint, .target = "/moved", .deadline = deadline});
        EXPECT_EQ(moved ? moved->status : 0, 302);
        EXPECT_EQ(moved->header("LOCATION"), "/big");
        FetchRequest small{.endpoint = endpoint, .target = "/big", .deadline = deadline};
        small.body_limit = 4999;
        const auto too_large = co_await fetch(clock, small);
        EXPECT_EQ(too_large.error().code, ErrorCode::too_large);
        FetchRequest headers{.endpoint = endpoint, .target = "/headers", .deadline = deadline};
        headers.headers = {{"Authorization", "Bearer x"}};
        const auto seen = co_await fetch(clock, headers);
        EXPECT_EQ(
            seen->body, "Host=" + endpoint.text() + ";Connection=close;Authorization=Bearer x;"
        );
        headers.headers = {{"X", "a\r\nY: b"}};
        EXPECT_EQ((co_await fetch(clock, headers)).error().code, ErrorCode::invalid_argument);
        headers.target = "/a b";
        EXPECT_EQ((co_await fetch(clock, headers)).error().code, ErrorCode::invalid_argument);
        co_await server.stop();
    });
}

TEST(Fetch, HandsAStreamOverUntilItIsTold) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        add_routes(server);
        const Endpoint endpoint = server.start();
        FetchRequest request{.endpoint = endpoint, .target = "/big"};
        request.deadline = Deadline::in(clock, testing::kPatience);
        std::size_t bytes = 0;
        int status = 0;
        StreamSink sink;
        sink.on_head = [&](int value) {
            status = value;
            return true;
        };
        sink.on_data = [&](std::string_view data) {
            bytes += data.size();
            return true;
        };
        EXPECT_EQ(co_await fetch_stream(clock, request, sink), 200);
        EXPECT_EQ(status, 200);
        EXPECT_EQ(bytes, 5000U);
        sink.on_data = [](std::string_view) { return false; };
        const auto stopped = co_await fetch_stream(clock, request, sink);
        EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
        co_await server.stop();
    });
}

TEST(Fetch, SaysWhoCannotBeReached) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        const Endpoint endpoint = server.start();
        co_await server.stop();
        FetchRequest request{.endpoint = endpoint};
        request.deadline = Deadline::in(clock, testing::kPatience);
        const auto refused = co_await fetch(clock, request);
        EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
        EXPECT_NE(refused.error().message.find(endpoint.text()), std::string::npos);
        request.endpoint = {.host = "name.invalid", .port = 80};
        EXPECT_EQ((co_await fetch(clock, request)).error().code, ErrorCode::unavailable);
    });
}

TEST(Fetch, GivesUpOnASilentServer) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        server.routes.add("GET", "/", [](Exchange&) -> Task<void> {
            co_await SystemClock{}.sleep_for(std::chrono::hours{1});
        });
        FetchRequest request{.endpoint = server.start()};
        request.deadline = Deadline::in(clock, std::chrono::milliseconds{30});
        EXPECT_EQ((co_await fetch(clock, request)).error().code, ErrorCode::timeout);
        server.http().stop();
        co_await server.http().finish({clock.now()});
        co_await server.stop();
    });
}

struct UrlRow {
    std::string_view text;
    std::string_view host;
    int port;
    std::string_view path;
    std::string_view header;
};

TEST(ParseUrl, TakesUrlsApart) {
    const UrlRow rows[] = {
        {"http://localhost:11434", "localhost", 11434, "", "localhost:11434"},
        {"http://127.0.0.1/", "127.0.0.1", 80, "", "127.0.0.1"},
        {"https://api.example.org/v1/", "api.example.org", 443, "/v1", "api.example.org"},
        {"https://api.example.org:80/v1", "api.example.org", 80, "/v1", "api.example.org:80"},
        {"http://[::1]:8080/a/b", "::1", 8080, "/a/b", "[::1]:8080"},
        {"http://[::1]", "::1", 80, "", "[::1]"},
    };
    for (const UrlRow& row : rows) {
        const auto url = parse_url(row.text);
        ASSERT_TRUE(url.has_value()) << row.text << url.error().message;
        EXPECT_EQ(url->endpoint.host, row.host);
        EXPECT_EQ(url->endpoint.port, row.port);
        EXPECT_EQ(url->endpoint.tls, row.text.starts_with("https"));
        EXPECT_EQ(url->path, row.path);
        EXPECT_EQ(url->host_header(), row.header);
    }
}

TEST(ParseUrl, RefusesTheRestWithoutRepeatingSecrets) {
    for (const std::string_view text :
         {"", "localhost:8080", "ftp://a", "http://", "http://:80", "http://a:0", "http://a:65536",
          "http://a:x", "http://a:", "http://a b", "http://[::1", "http://[::1]x", "http://[g]",
          "http://user:secret@a", "http://a/?key=secret", "http://a/#secret", "http://a\r\nX: y",
          "http://a\\b", "http://\xC3\xA4"}) {
        const auto url = parse_url(text);
        ASSERT_FALSE(url.has_value()) << text;
        EXPECT_EQ(url.error().code, ErrorCode::invalid_argument);
        EXPECT_EQ(url.error().message.find("secret"), std::string::npos) << url.error().message;
    }
}

}  // namespace
}  // namespace nova::net

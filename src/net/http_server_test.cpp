// The server over real loopback sockets.
#include <optional>
#include <stdexcept>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
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

std::string get(std::string_view path) {
    return "GET " + std::string{path} + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

std::string get_and_close(std::string_view path) {
    return "GET " + std::string{path} + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
}

// One connection, one message, everything that comes back until the server closes.
std::string answer_to(Server& server, asio::io_context& io, std::string message) {
    std::string answer;
    run_on(io, [&]() -> Task<void> {
        RawClient client = co_await RawClient::open(server.start());
        co_await client.send(message);
        answer = co_await client.read_all();
        co_await server.stop();
    });
    return answer;
}

struct Refusal {
    std::string_view name;
    std::string message;
    std::string_view begins;
    std::string_view contains;
};

TEST(HttpServer, RefusesAndClosesWhatItCannotRead) {
    const Refusal rows[] = {
        {"garbage", "\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 ", "invalid_argument"},
        {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "Connection: close"},
        {"smuggling",
         "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
         "HTTP/1.1 400 ", "invalid_argument"},
        {"gzip", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
         "HTTP/1.1 501 ", "unsupported"},
        {"long head", "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(70'000, 'x') + "\r\n\r\n",
         "HTTP/1.1 431 ", "Connection: close"},
        {"broken chunk",
         "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         "HTTP/1.1 400 ", "Connection: close"},
    };
    for (const Refusal& row : rows) {
        SCOPED_TRACE(row.name);
        asio::io_context io{1};
        Server server{io};
        add_routes(server);
        const std::string answer = answer_to(server, io, row.message);
        EXPECT_TRUE(answer.starts_with(row.begins)) << answer;
        EXPECT_NE(answer.find(row.contains), std::string::npos) << answer;
        EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << "one answer: " << answer;
    }
}

TEST(HttpServer, SaysWhichMethodsAPathHas) {
    asio::io_context io{1};
    Server server{io};
    add_routes(server);
    const std::string answer =
        answer_to(server, io, get("/echo") + get("/nothing") + get_and_close("/stream"));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\n")) << answer;
    EXPECT_NE(answer.find("method_not_allowed"), std::string::npos);
    EXPECT_NE(answer.find("HTTP/1.1 404 Not Found\r\n"), std::string::npos);
    EXPECT_NE(answer.find("three"), std::string::npos);
}

TEST(HttpServer, SendsOneDateAndNoServer) {
    asio::io_context io{1};
    Server server{io};
    server.routes.add("GET", "/own", [](Exchange& exchange) -> Task<void> {
        const HeaderView headers[] = {
            {"date", "Mon, 01 Jan 2024 00:00:00 GMT"},
            {"Content-Length", "999"},
            {"Transfer-Encoding", "gzip"},
            {"X-Evil", "a\r\nX-Injected: b"}
        };
        exchange.begin(200, headers, 2);
        ignore(co_await exchange.write("ok"), "a test");
        ignore(co_await exchange.end(), "a test");
    });
    add_routes(server);
    const std::string answer = answer_to(server, io, get("/own") + get_and_close("/nothing"));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
                                   "Content-Length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\nDate: ")
    ) << answer;
    EXPECT_EQ(answer.find("Server:"), std::string::npos);
    EXPECT_EQ(answer.find("X-Injected"), std::string::npos);
}

// Trap 97: unless a handler has said it itself.
TEST(HttpServer, TellsProxiesNotToHoldAStreamBack) {
    struct Row {
        std::string_view type;
        std::string_view said;
        std::string_view expected;
    };

    for (const Row& row :
         {Row{"text/event-stream; charset=utf-8", "", "no"}, Row{"application/x-ndjson", "", "no"},
          Row{"text/event-stream", "yes", "yes"}, Row{"application/json", "", ""}}) {
        asio::io_context io{1};
        Server server{io};
        server.routes.add("GET", "/typed", [&](Exchange& exchange) -> Task<void> {
            std::vector<HeaderView> headers{{"content-type", row.type}};
            if (!row.said.empty()) {
                headers.push_back({"x-accel-buffering", row.said});
            }
            exchange.begin(200, headers, std::nullopt);
            ignore(co_await exchange.end(), "a test");
        });
        const std::string answer = answer_to(server, io, get_and_close("/typed"));
        std::string values;
        for (const std::string_view name : {"X-Accel-Buffering: ", "x-accel-buffering: "}) {
            if (const auto found = answer.find(name); found != std::string::npos) {
                const auto begin = found + name.size();
                values += answer.substr(begin, answer.find("\r\n", begin) - begin);
            }
        }
        EXPECT_EQ(values, row.expected) << answer;
    }
}

TEST(HttpServer, LeavesTheBodyOutForHead) {
    asio::io_context io{1};
    Server server{io};
    server.routes.add("GET", "/hello", [](Exchange& exchange) -> Task<void> {
        ignore(co_await exchange.respond(200, "text/plain", "hello"), "a test");
    });
    add_routes(server);
    const std::string answer = answer_to(
        server, io,
        "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\nConnection: "
        "close\r\n\r\n"
    );
    EXPECT_NE(answer.find("Content-Length: 5\r\n"), std::string::npos) << answer;
    EXPECT_NE(answer.find("\r\n\r\nHTTP/1.1 200 OK"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
    EXPECT_EQ(answer.find("hello"), std::string::npos);
}

TEST(HttpServer, SpeaksToHttp10) {
    asio::io_context io{1};
    Server server{io};
    add_routes(server);
    const std::string answer = answer_to(
        server, io,
        "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
        "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    );
    EXPECT_NE(answer.find("Connection: keep-alive\r\n\r\nhiHTTP/1.1"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with("Connection: close\r\n\r\nonetwothree")) << answer;
}

TEST(HttpServer, IgnoresAnEmptyLineInFrontOfARequest) {
    asio::io_context io{1};
    Server server{io};
    add_routes(server);
    EXPECT_TRUE(
        answer_to(server, io, "\r\n" + get_and_close("/stream")).starts_with("HTTP/1.1 200 ")
    );
}

TEST(HttpServer, AnswersTheSameToAMessageInSingleBytes) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io};
        add_routes(server);
        RawClient client = co_await RawClient::open(server.start());
        const std::string message =
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            "Connection: close\r\n\r\n3;x\r\nabc\r\n0\r\nT: v\r\n\r\n";
        for (const char c : message) {
            co_await client.send(std::string{c});
        }
        EXPECT_TRUE((co_await client.read_all()).ends_with("\r\n\r\nabc"));
        co_await server.stop();
    });
}

TEST(HttpServer, SaysContinueOnlyWhenTheBodyIsWanted) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io};
        add_routes(server);
        server.routes.add("POST", "/refuse", [](Exchange& exchange) -> Task<void> {
            const Error error{.code = ErrorCode::unauthorized, .message = "No."};
            ignore(co_await exchange.respond_error(error), "a test");
        });
        const Endpoint endpoint = server.start();
        const std::string rest = " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                 "Content-Length: 3\r\n\r\n";
        RawClient refused = co_await RawClient::open(endpoint);
        co_await refused.send("POST /refuse" + rest);
        const std::string refusal = co_await refused.read_until("}");
        EXPECT_TRUE(refusal.starts_with("HTTP/1.1 401 ")) << refusal;
        EXPECT_NE(refusal.find("Connection: close"), std::string::npos) << refusal;
        RawClient wanted = co_await RawClient::open(endpoint);
        co_await wanted.send("POST /echo" + rest);
        EXPECT_EQ(co_await wanted.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        co_await wanted.send("abc");
        EXPECT_TRUE((co_await wanted.read_until("abc")).starts_with("HTTP/1.1 200 OK"));
        refused.connection().close();
        wanted.connection().close();
        co_await server.stop();
    });
}

// Trap 19: the client sends all of its body before it looks for an answer.
TEST(HttpServer, LetsTheClientSeeThatItsBodyIsTooLarge) {
    for (const bool chunked : {false, true}) {
        asio::io_context io{1};
        run_on(io, [&]() -> Task<void> {
            Server server{io, ServerLimits{.head = {}, .body_bytes = 64U * 1024U}};
            add_routes(server);
            RawClient client = co_await RawClient::open(server.start());
            std::string body(8U << 20U, 'x');
            std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
            head += chunked ? "Transfer-Encoding: chunked\r\n\r\n800000\r\n"
                            : "Content-Length: 8388608\r\n\r\n";
            co_await client.send(head + body);
            const std::string answer = co_await client.read_until("}");
            EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
            EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
            client.connection().close();
            co_await server.stop();
        });
    }
}

TEST(HttpServer, KeepsTheConnectionWhenASmallBodyWasNotRead) {
    asio::io_context io{1};
    Server server{io};
    add_routes(server);
    const std::string body(2000, 'x');
    const std::string answer = answer_to(
        server, io,
        "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" + body +
            get_and_close("/stream")
    );
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 404 ")) << answer;
    EXPECT_TRUE(answer.ends_with("0\r\n\r\n")) << answer;
}

TEST(HttpServer, TurnsAnExceptionIntoA500AndSaysSo) {
    asio::io_context io{1};
    Server server{io};
    server.routes.add("GET", "/throw", [](Exchange&) -> Task<void> {
        throw std::runtime_error{"broken on purpose"};
        co_return;
    });
    const std::string answer = answer_to(server, io, get("/throw") + get("/throw"));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << answer;
    EXPECT_EQ(answer.find("on purpose"), std::string::npos) << answer;
}

TEST(HttpServer, AnswersForAHandlerThatDidNot) {
    asio::io_context io{1};
    Server server{io};
    server.routes.add("GET", "/mute", [](Exchange&) -> Task<void> { co_return; });
    EXPECT_TRUE(answer_to(server, io, get("/mute")).starts_with("HTTP/1.1 500 "));
}

TEST(HttpServer, CutsAnAnswerThatWasNotEnded) {
    asio::io_context io{1};
    Server server{io};
    server.routes.add("GET", "/half", [](Exchange& exchange) -> Task<void> {
        exchange.begin(200, {}, std::nullopt);
        ignore(co_await exchange.write("half"), "a test");
    });
    const std::string answer = answer_to(server, io, get("/half"));
    EXPECT_TRUE(answer.ends_with("4\r\nhalf\r\n")) << answer;
    asio::io_context again{1};
    Server short_server{again};
    short_server.routes.add("GET", "/short", [](Exchange& exchange) -> Task<void> {
        exchange.begin(200, {}, 10);
        ignore(co_await exchange.write("half"), "a test");
        EXPECT_FALSE((co_await exchange.end()).has_value());
    });
    EXPECT_TRUE(answer_to(short_server, again, get("/short")).ends_with("\r\n\r\nhalf"));
}

TEST(HttpServer, AsksTheAdmissionBeforeAnyRoute) {
    asio::io_context io{1};
    Server server{io, {}, [](const RequestHead& head, const Peer& peer) -> std::optional<Error> {
                      EXPECT_TRUE(peer.loopback);
                      if (head.headers.find("Host") == "good") {
                          return std::nullopt;
                      }
                      return Error{.code = ErrorCode::forbidden, .message = "No."};
                  }};
    add_routes(server);
    const std::string answer = answer_to(
        server, io,
        "GET /stream HTTP/1.1\r\nHost: bad\r\n\r\n"
        "GET /stream HTTP/1.1\r\nHost: good\r\nConnection: close\r\n\r\n"
    );
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 403 ")) << answer;
    EXPECT_NE(answer.find("HTTP/1.1 200 OK"), std::string::npos) << answer;
}

TEST(HttpServer, GivesUpOnASlowHeadAndAnIdleClient) {
    const ServerLimits limits{
        .head = {}, .head_timeout = std::chrono::seconds{1}, .idle_timeout = std::chrono::seconds{1}
    };
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io, limits};
        const Endpoint endpoint = server.start();
        RawClient slow = co_await RawClient::open(endpoint);
        RawClient idle = co_await RawClient::open(endpoint);
        co_await slow.send("GET / HT");
        EXPECT_TRUE((co_await slow.read_all()).starts_with("HTTP/1.1 408 "));
        EXPECT_EQ(co_await idle.read_all(), "");
        co_await server.stop();
    });
}

TEST(HttpServer, GivesUpOnASlowBody) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io, ServerLimits{.head = {}, .body_timeout = std::chrono::seconds{1}}};
        add_routes(server);
        RawClient client = co_await RawClient::open(server.start());
        co_await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
        const std::string answer = co_await client.read_until("}");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
        client.connection().close();
        co_await server.stop();
    });
}

TEST(HttpServer, GivesUpOnAClientThatTakesNothing) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io, ServerLimits{.head = {}, .write_timeout = std::chrono::seconds{1}}};
        std::optional<ErrorCode> outcome;
        server.routes.add("GET", "/flood", [&](Exchange& exchange) -> Task<void> {
            exchange.begin(200, {}, std::nullopt);
            const std::string bytes(100'000, 'x');
            while (true) {
                const auto written = co_await exchange.write(bytes);
                if (!written) {
                    outcome = written.error().code;
                    co_return;
                }
            }
        });
        RawClient client = co_await RawClient::open(server.start());
        co_await client.send(get("/flood"));
        const SystemClock clock;
        const TimePoint start = clock.now();
        while (!outcome) {
            co_await SystemClock{}.sleep_for(std::chrono::milliseconds{10});
        }
        EXPECT_EQ(*outcome, ErrorCode::timeout);
        EXPECT_LT(clock.now() - start, std::chrono::milliseconds{2500});
        co_await server.stop();
    });
}

TEST(HttpServer, AnswersAHalfClosedClientUnlessTheHandlerWatches) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io};
        add_routes(server);
        RawClient client = co_await RawClient::open(server.start());
        co_await client.send(get("/stream"));
        client.connection().shutdown_send();
        EXPECT_TRUE((co_await client.read_all()).ends_with("0\r\n\r\n"));
        co_await server.stop();
    });
}

TEST(HttpServer, TurnsConnectionsBeyondTheLimitAway) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io, ServerLimits{.head = {}, .connections = 1}};
        add_routes(server);
        const Endpoint endpoint = server.start();
        RawClient first = co_await RawClient::open(endpoint);
        co_await first.send(get("/stream"));
        co_await first.read_until("0\r\n\r\n");
        RawClient second = co_await RawClient::open(endpoint);
        EXPECT_TRUE((co_await second.read_all()).starts_with("HTTP/1.1 503 "));
        first.connection().close();
        co_await server.stop();
    });
}

TEST(HttpServer, EndsRunningRequestsAndClosesIdleConnectionsWhenItStops) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server server{io};
        add_routes(server);
        asio::steady_timer go{io, TimePoint::max()};
        bool running = false;
        server.routes.add("GET", "/wait", [&](Exchange& exchange) -> Task<void> {
            running = true;
            boost::system::error_code code;
            co_await go.async_wait(asio::redirect_error(asio::use_awaitable, code));
            ignore(co_await exchange.respond(200, "text/plain", "done"), "a test");
        });
        const Endpoint endpoint = server.start();
        RawClient idle = co_await RawClient::open(endpoint);
        co_await idle.send(get("/stream"));
        co_await idle.read_until("0\r\n\r\n");
        RawClient busy = co_await RawClient::open(endpoint);
        co_await busy.send(get("/wait"));
        while (!running) {
            co_await asio::post(io, asio::use_awaitable);
        }
        server.http().stop();
        EXPECT_EQ(co_await idle.read_all(), "");
        EXPECT_EQ(server.http().connections(), 1U);
        go.cancel();
        const std::string answer = co_await busy.read_all();
        EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
        EXPECT_TRUE(answer.ends_with("done")) << answer;
        co_await server.stop();
    });
}

TEST(HttpServer, CutsWhatIsLeftAtTheDeadline) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        bool running = false;
        server.routes.add("GET", "/wait", [&](Exchange&) -> Task<void> {
            running = true;
            co_await SystemClock{}.sleep_for(std::chrono::hours{1});
        });
        RawClient client = co_await RawClient::open(server.start());
        co_await client.send(get("/wait"));
        while (!running) {
            co_await asio::post(io, asio::use_awaitable);
        }
        server.http().stop();
        co_await server.http().finish(Deadline::in(clock, std::chrono::milliseconds{10}));
        EXPECT_EQ(server.http().connections(), 0U);
        EXPECT_EQ(co_await client.read_all(), "");
        co_await server.stop();
    });
}

TEST(HttpServer, NamesAPortThatIsInUse) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server first{io};
        const Endpoint endpoint = first.start();
        Server second{io};
        const auto refused = second.http().listen(endpoint, PortSharing::exclusive);
        EXPECT_EQ(refused ? ErrorCode::internal : refused.error().code, ErrorCode::precondition);
        const auto probed = probe_bind(endpoint);
        EXPECT_EQ(probed ? ErrorCode::internal : probed.error().code, ErrorCode::precondition);
        EXPECT_NE(probed.error().message.find(endpoint.text()), std::string::npos);
        EXPECT_EQ(
            second.http().listen({.host = "not an address"}, PortSharing::exclusive).error().code,
            ErrorCode::invalid_argument
        );
        co_await first.stop();
        EXPECT_TRUE(probe_bind(endpoint).has_value());
        co_await second.stop();
    });
}

TEST(HttpServer, SharesAPortBetweenWorkersAndTheProbeStillSeesIt) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        Server first{io};
        Server second{io};
        const auto endpoint = first.http().listen({.host = "127.0.0.1"}, PortSharing::reuse_port);
        EXPECT_TRUE(endpoint.has_value());
        EXPECT_TRUE(second.http().listen(*endpoint, PortSharing::reuse_port).has_value());
        EXPECT_FALSE(probe_bind(*endpoint).has_value());
        co_await first.stop();
        co_await second.stop();
    });
}

}  // namespace
}  // namespace nova::net

// The exchange over a scripted client; http_server_test.cpp drives its members over sockets.
#include <gtest/gtest.h>

#include "net/http_session.hpp"
#include "net/scripted_connection.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::run_on;

class Exchanges : public ::testing::Test {
protected:
    // One request, which the client sends before it resets.
    void serve(std::string request, Handler handler) {
        RouteTable routes;
        routes.add("POST", "/", std::move(handler));
        SessionRules rules{
            .clock = clock_,
            .log = log_,
            .routes = routes,
            .limits = {},
            .render_error = [](const Error& error) { return error.message; },
            .admission = {},
        };
        HttpSession session{rules, peer_.connection()};
        peer_.says(std::move(request));
        peer_.resets();
        run_on(io_, [&session] { return session.run(); });
    }

    // How often a handler was told that its client is gone.
    template <class T>
    void note(const Result<T>& result) {
        gone_ += !result && result.error().code == ErrorCode::cancelled ? 1 : 0;
    }

    asio::io_context io_{1};
    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::debug};
    ScriptedPeer peer_{io_.get_executor(), clock_};
    int gone_ = 0;
};

constexpr std::string_view kWaitsForContinue =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";

// The first thing that is written to it is the 100 Continue that it waits for.
TEST_F(Exchanges, AClientThatResetsBeforeItsContinueMayStillBeAnswered) {
    serve(std::string{kWaitsForContinue}, [this](Exchange& exchange) -> Task<void> {
        const auto body = co_await exchange.read_body(100);
        note(body);
        note(co_await exchange.respond_error({.code = ErrorCode::cancelled, .message = "gone"}));
        note(co_await exchange.respond(200, "text/plain", "late"));
    });
    EXPECT_EQ(gone_, 3);
    EXPECT_EQ(peer_.heard(), "");
    EXPECT_TRUE(peer_.was_closed());
}

TEST_F(Exchanges, AnAnswerThatBeginsBehindAnAbortGoesNowhere) {
    serve("POST / HTTP/1.1\r\nHost: a\r\n\r\n", [this](Exchange& exchange) -> Task<void> {
        exchange.abort();
        exchange.begin(200, {}, std::nullopt);
        note(co_await exchange.write("late"));
        note(co_await exchange.flush());
        note(co_await exchange.end());
    });
    EXPECT_EQ(gone_, 3);
    EXPECT_EQ(peer_.heard(), "");
    EXPECT_TRUE(peer_.was_closed());
}

}  // namespace
}  // namespace nova::net

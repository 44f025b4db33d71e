// What bit other gateways between the head of an answer and its client
// (docs/traps.md).
#include <array>

#include "gateway/gateway_fixture.hpp"

namespace nova::gateway::testing {
namespace {

class RelayTraps : public GatewayFixture {
protected:
    // Tells how often an engine was reached, and how often it heard that its
    // client has left.
    void engine_that_waits() {
        answer_ = [this](net::Exchange& exchange) -> Task<void> {
            (void)co_await exchange.read_body(1U << 20U);
            ++reached_;
            const auto gone = std::make_shared<bool>(false);
            exchange.watch_client([gone] { *gone = true; });
            EXPECT_TRUE(co_await until([gone] { return *gone; })) << "it was never told";
            ++told_;
            exchange.abort();
        };
    }

    int reached_ = 0;
    int told_ = 0;
};

// Trap 37: whatever dialect the client speaks.
TEST_F(RelayTraps, EveryGeneratingRouteNoticesThatItsClientLeft) {
    constexpr std::string_view kBody =
        R"({"model":"m","messages":[{"role":"user","content":"hi"}],"prompt":"hi","input":"hi",)"
        R"("texts":["hi"],"stream":)";
    engine_that_waits();
    install(serving(1));
    int expected = 0;
    for (const std::string_view target :
         {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/api/chat",
          "/api/generate", "/api/embed", "/complete", "/stream", "/embed"}) {
        for (const std::string_view stream : {"true", "false"}) {
            ++expected;
            run([&]() -> Task<void> {
                auto connection =
                    co_await net::dial(gateway_, clock_, Deadline::in(clock_, kPatience));
                (*connection)->expire_at(clock_.now() + kPatience);
                const std::string body = fmt::format("{}{}}}", kBody, stream);
                EXPECT_TRUE(co_await (*connection)
                                ->write(fmt::format(
                                    "POST {} HTTP/1.1\r\nHost: "
                                    "x\r\nContent-Length: {}\r\n\r\n{}",
                                    target, body.size(), body
                                )));
                EXPECT_TRUE(co_await until([&] { return reached_ == expected; })) << target;
                (*connection)->close();
                EXPECT_TRUE(co_await until([&] { return told_ == expected; })) << target;
                EXPECT_TRUE(co_await until([&] { return worker_.inflight(id(1)) == 0; }));
            });
        }
    }
}

// Trap 40: an error's body is a sentence; whoever trickles it is not listened
// to for long.
TEST_F(RelayTraps, AnErrorThatTricklesIsNotWaitedFor) {
    bool left_alone = false;
    answer_ = [&, this](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "application/json"}};
        exchange.begin(500, headers, 1U << 20U);
        const TimePoint end = clock_.now() + kPatience;
        while (clock_.now() < end && co_await exchange.write(" ")) {
            co_await clock_.sleep_for(20ms);
        }
        left_alone = clock_.now() < end;
        exchange.abort();
    };
    install(serving(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(chat());
        EXPECT_GE(answer.status, 500) << answer.body;
        EXPECT_NE(answer.body.find("\"error\""), std::string::npos) << answer.body;
        EXPECT_TRUE(co_await until([&left_alone] { return left_alone; }));
    });
}

// Trap 32: the new place would get the key, and the client learns of no
// address.
TEST_F(RelayTraps, ARedirectIsNeitherFollowedNorPassedOn) {
    for (const int status : {301, 302, 303, 307, 308}) {
        int asked = 0;
        answer_ = [&asked, status](net::Exchange& exchange) -> Task<void> {
            (void)co_await exchange.read_body(1U << 20U);
            ++asked;
            const std::vector<net::HeaderView> extra{{"Location", "/1/v1/chat/completions?moved"}};
            (void)co_await exchange.respond(status, "text/html", "moved", extra);
        };
        install(serving(1));
        run([&]() -> Task<void> {
            const auto answer = co_await ask(chat());
            EXPECT_EQ(answer.status, 502) << status;
            EXPECT_EQ(answer.header("location"), "") << status;
            EXPECT_NE(answer.body.find("upstream_redirect"), std::string::npos) << answer.body;
        });
        EXPECT_EQ(asked, 1) << status;
    }
}

// Traps 13 and 14: what is packed reaches the engine unpacked, and what an
// engine packs although it was not asked to is not taken apart as text.
TEST_F(RelayTraps, APackedStreamOfAnEngineThatWasNotAskedForOneIsPassedOnWhole) {
    const std::string packed{"\x1f\x8b\x08 not text \n\n data: [DONE]", 29};
    answer_ = [&packed](net::Exchange& exchange) -> Task<void> {
        EXPECT_EQ(exchange.request().headers.find("Accept-Encoding"), "identity");
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{
            {"Content-Type", "text/event-stream"}, {"Content-Encoding", "gzip"}
        };
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(packed);
        (void)co_await exchange.end();
    };
    install(serving(1));
    run([&]() -> Task<void> {
        net::FetchRequest request = chat();
        request.body = R"({"model":"m","stream":true})";
        const auto answer = co_await ask(std::move(request));
        EXPECT_EQ(answer.header("content-encoding"), "gzip");
        EXPECT_EQ(answer.body, packed);
    });
}

}  // namespace
}  // namespace nova::gateway::testing

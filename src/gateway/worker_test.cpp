// A real worker between a real client and a scripted upstream, on loopback, in one thread.
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "gateway/gateway_fixture.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

// The worker alone: nobody observes it, and its breakers are its own.
class WorkerTest : public testing::GatewayFixture {
protected:
    WorkerTest() : GatewayFixture{policy(), WorkerPorts{}} {}

    static GatewayPolicy policy() {
        GatewayPolicy value;
        value.dial_timeout = 2s;
        return value;
    }

    void SetUp() override {
        GatewayFixture::SetUp();
        install(serving(1));
    }

    net::FetchRequest chat(std::string body) const {
        net::FetchRequest request = GatewayFixture::chat();
        request.body = std::move(body);
        return request;
    }

    Task<std::unique_ptr<net::Connection>> send_chat(std::string body) {
        auto connection = co_await net::dial(gateway_, clock_, Deadline::in(clock_, 2s));
        const std::string request =
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Content-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body;
        (*connection)->expire_at(clock_.now() + 10s);
        EXPECT_TRUE(co_await (*connection)->write(request));
        co_return std::move(*connection);
    }

    static Task<std::string> read_until(net::Connection& connection, std::string_view wanted) {
        std::string text;
        char buffer[4096];
        while (wanted.empty() || text.find(wanted) == std::string::npos) {
            const auto got = co_await connection.read_some(buffer);
            if (!got || *got == 0) {
                break;
            }
            text.append(buffer, *got);
        }
        co_return text;
    }
};

// The first content of a stream: nothing leaves before it.
constexpr std::string_view kFirst =
    "data: {\"choices\":[{\"delta\":{\"content\":\"one\"},\"finish_reason\":null}]}\n\n";

constexpr std::string_view kStream = R"({"model":"m","stream":true,"messages":[]})";

constexpr std::string_view kBody = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";

TEST_F(WorkerTest, PassesBytesThroughAndSynthesisesBothHeads) {
    std::string seen_body;
    std::string seen_auth;
    std::string seen_coding;
    std::string seen_target;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        seen_auth = exchange.request().headers.find("authorization");
        seen_coding = exchange.request().headers.find("accept-encoding");
        seen_target = exchange.request().target;
        seen_body = (co_await exchange.read_body(1U << 20U)).value();
        const std::vector<net::HeaderView> extra{
            {"Set-Cookie", "a=b"}, {"x-ratelimit-remaining", "7"}
        };
        EXPECT_TRUE(co_await exchange.respond(200, "application/json", "{\"odd\" : 1.0}", extra));
    };
    run([&]() -> Task<void> {
        net::FetchRequest request = chat(std::string{kBody});
        request.target += "?beta=1";
        request.headers.emplace_back("Authorization", "Bearer client-key");
        request.headers.emplace_back("Accept-Encoding", "gzip");
        const auto response = co_await net::fetch(clock_, std::move(request));
        EXPECT_TRUE(response);
        EXPECT_EQ(response->status, 200);
        EXPECT_EQ(response->body, "{\"odd\" : 1.0}");
        EXPECT_EQ(response->header("x-nova-provider"), "llamacpp");
        EXPECT_EQ(response->header("x-ratelimit-remaining"), "7");
        EXPECT_EQ(response->header("set-cookie"), "");
    });
    EXPECT_EQ(seen_body, kBody);
    EXPECT_EQ(seen_auth, "") << "the client's key is not the engine's";
    EXPECT_EQ(seen_coding, "identity");
    EXPECT_EQ(seen_target, "/1/v1/chat/completions?beta=1");
}

TEST_F(WorkerTest, RelaysAnEventStreamUnchanged) {
    const std::string events =
        "data: {\"a\":1}\n\n: ping\n\ndata: {\"b\":2}\r\n\r\ndata: [DONE]\n\n";
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        for (const char c : events) {  // the worst split: every byte a chunk
            (void)co_await exchange.write(std::string_view{&c, 1});
        }
        (void)co_await exchange.end();
    };
    run([&]() -> Task<void> {
        const auto response = co_await net::fetch(clock_, chat(std::string{kStream}));
        EXPECT_TRUE(response);
        EXPECT_EQ(response->body, events);
        EXPECT_EQ(response->header("content-type"), "text/event-stream");
    });
}

TEST_F(WorkerTest, AnUpstreamThatDiesInMidEventGivesOneErrorEventAtABorder) {
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(kFirst);
        (void)co_await exchange.write("data: {\"b\":");
        exchange.abort();
    };
    run([&]() -> Task<void> {
        const auto response = co_await net::fetch(clock_, chat(std::string{kStream}));
        EXPECT_TRUE(response) << "the stream itself ends properly";
        EXPECT_TRUE(response->body.starts_with(std::string{kFirst} + "data: {\"error\":{"))
            << response->body;
        EXPECT_EQ(response->body.find("[DONE]"), std::string::npos);
        EXPECT_NE(response->body.find("upstream_failed"), std::string::npos);
    });
    EXPECT_EQ(counters_.at(0).upstream_failed.load(), 1U);
}

TEST_F(WorkerTest, AnUnaryAnswerThatBreaksOffIsVisiblyCut) {
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "application/json"}};
        exchange.begin(200, headers, 100);
        (void)co_await exchange.write("{\"half\":");
        exchange.abort();
    };
    run([&]() -> Task<void> {
        const auto response = co_await net::fetch(clock_, chat(std::string{kBody}));
        EXPECT_FALSE(response);
    });
}

TEST_F(WorkerTest, AClientThatLeavesEndsTheUpstreamSide) {
    bool upstream_saw_it = false;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        exchange.watch_client([&] { upstream_saw_it = true; });
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(kFirst);
        for (int i = 0; i < 500 && !upstream_saw_it; ++i) {
            co_await clock_.sleep_for(10ms);
        }
    };
    run([&]() -> Task<void> {
        auto connection = co_await send_chat(std::string{kStream});
        const std::string head = co_await read_until(*connection, "one");
        EXPECT_NE(head.find("200 OK"), std::string::npos);
        EXPECT_EQ(worker_.inflight(id(1)), 1U);
        connection->close();
        for (int i = 0; i < 100 && counters_.at(0).client_left.load() == 0; ++i) {
            co_await clock_.sleep_for(10ms);
        }
        EXPECT_EQ(worker_.inflight(id(1)), 0U);
        for (int i = 0; i < 100 && !upstream_saw_it; ++i) {
            co_await clock_.sleep_for(10ms);
        }
    });
    EXPECT_TRUE(upstream_saw_it);
    EXPECT_EQ(counters_.at(0).client_left.load(), 1U);
}

TEST_F(WorkerTest, AfterInstallNobodyEntersAndTheLastLeaseTells) {
    bool finish = false;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(kFirst);
        while (!finish) {
            co_await clock_.sleep_for(2ms);
        }
        (void)co_await exchange.write("data: [DONE]\n\n");
        (void)co_await exchange.end();
    };
    run([&]() -> Task<void> {
        auto connection = co_await send_chat(std::string{kStream});
        (void)co_await read_until(*connection, "one");
        install(loading());
        int drained = 0;
        worker_.when_drained(id(1), [&] { ++drained; });
        const auto refused = co_await net::fetch(clock_, chat(std::string{kStream}));
        EXPECT_EQ(refused->status, 503);
        EXPECT_EQ(refused->header("retry-after"), "2");
        EXPECT_NE(refused->body.find("\"loading\":{\"phase\":\"starting\"}"), std::string::npos);
        EXPECT_EQ(drained, 0);
        finish = true;
        const std::string rest = co_await read_until(*connection, "[DONE]");
        EXPECT_NE(rest.find("[DONE]"), std::string::npos) << "the admitted request is finished";
        for (int i = 0; i < 100 && drained == 0; ++i) {
            co_await clock_.sleep_for(2ms);
        }
        EXPECT_EQ(drained, 1);
        worker_.when_drained(id(1), [&] { ++drained; });
        EXPECT_EQ(drained, 2) << "nobody is inside: at once";
        connection->close();
    });
}

TEST_F(WorkerTest, AnUpstreamOpenedAgainBeforeItsLastLeaseEndedTakesRequests) {
    // Outlives the test: the server is stopped after its body.
    const auto finish = std::make_shared<bool>(false);
    answer_ = [this, finish](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(kFirst);
        while (!*finish) {
            co_await clock_.sleep_for(2ms);
        }
        (void)co_await exchange.end();
    };
    run([&]() -> Task<void> {
        auto one = co_await send_chat(std::string{kStream});
        (void)co_await read_until(*one, "one");
        install(loading());
        install(serving(1));
        auto two = co_await send_chat(std::string{kStream});
        const std::string answer = co_await read_until(*two, "one");
        EXPECT_NE(answer.find(" 200 "), std::string::npos) << answer;
        *finish = true;
        one->close();
        two->close();
    });
}

TEST_F(WorkerTest, ACutGivesEveryStreamItsErrorEvent) {
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        bool gone = false;
        exchange.watch_client([&] { gone = true; });
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(kFirst);
        for (int i = 0; i < 1000 && !gone; ++i) {
            co_await clock_.sleep_for(5ms);
        }
    };
    run([&]() -> Task<void> {
        auto one = co_await send_chat(std::string{kStream});
        auto two = co_await send_chat(std::string{kStream});
        (void)co_await read_until(*one, "one");
        (void)co_await read_until(*two, "one");
        install(loading());
        worker_.cut(id(1));
        for (auto* connection : {one.get(), two.get()}) {
            const std::string rest = co_await read_until(*connection, "backend_switched");
            EXPECT_NE(rest.find("data: {\"error\":"), std::string::npos) << rest;
        }
        for (int i = 0; i < 100 && worker_.inflight(id(1)) != 0; ++i) {
            co_await clock_.sleep_for(2ms);
        }
        EXPECT_EQ(worker_.inflight(id(1)), 0U);
        one->close();
        two->close();
    });
}

TEST_F(WorkerTest, TheEnginesRefusalOfOurKeyIsNotTheClientsFault) {
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        (void)co_await exchange.respond(401, "application/json", R"({"error":"bad key sk-x"})");
    };
    run([&]() -> Task<void> {
        const auto response = co_await net::fetch(clock_, chat(std::string{kBody}));
        EXPECT_EQ(response->status, 502);
        EXPECT_NE(response->body.find("upstream_auth_error"), std::string::npos);
        EXPECT_EQ(response->body.find("sk-x"), std::string::npos);
    });
}

TEST_F(WorkerTest, ErrorsOfTheEngineKeepStatusAndBody) {
    constexpr std::string_view kRefusal = R"({"error" : {"message":"slow down","code":"slow"}})";
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> extra{{"Retry-After", "3"}};
        (void)co_await exchange.respond(429, "application/json", kRefusal, extra);
    };
    run([&]() -> Task<void> {
        const auto response = co_await net::fetch(clock_, chat(std::string{kBody}));
        EXPECT_EQ(response->status, 429);
        EXPECT_EQ(response->body, kRefusal);
        EXPECT_EQ(response->header("content-type"), "application/json");
        EXPECT_EQ(response->header("retry-after"), "3");
        EXPECT_EQ(response->header("x-nova-provider"), "llamacpp");
        EXPECT_EQ(response->header("x-nova-route"), "local(slow)");
    });
}

TEST_F(WorkerTest, RefusesWithTheRightStatusBeforeAnyUpstreamIsAsked) {
    int asked = 0;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        ++asked;
        (void)co_await exchange.respond(200, "text/plain", "x");
    };
    run([&]() -> Task<void> {
        auto response = co_await net::fetch(clock_, chat(R"({"model":"gpt-4"})"));
        EXPECT_EQ(response->status, 404);
        EXPECT_NE(response->body.find("\"code\":\"model_not_found\""), std::string::npos);
        response = co_await net::fetch(clock_, chat("{broken"));
        EXPECT_EQ(response->status, 400);
        EXPECT_NE(response->body.find("\"type\":\"invalid_request_error\""), std::string::npos);
        auto compressed = chat(std::string{kBody});
        compressed.headers.emplace_back("Content-Encoding", "gzip");
        response = co_await net::fetch(clock_, std::move(compressed));
        EXPECT_EQ(response->status, 400);
        auto elsewhere = chat(std::string{kBody});
        elsewhere.target = "/v1/nowhere";
        response = co_await net::fetch(clock_, std::move(elsewhere));
        EXPECT_EQ(response->status, 404);
    });
    EXPECT_EQ(asked, 0);
}

TEST_F(WorkerTest, ARefusedConnectionIsA502AndToldUpwards) {
    auto upstream = std::make_shared<Upstream>(*serving(2).local);
    // A port that was free a moment ago: bound once, closed again.
    asio::io_context other{1};
    {
        net::HttpServer briefly{other.get_executor(), clock_,       log_,      routes_,
                                net::ServerLimits{},  &plain_error, &admit_all};
        upstream->endpoint =
            briefly.listen({.host = "127.0.0.1"}, net::PortSharing::exclusive).value();
    }
    RoutingTable gone;
    gone.local = upstream;
    install(std::move(gone));
    run([&]() -> Task<void> {
        const auto response = co_await net::fetch(clock_, chat(std::string{kBody}));
        EXPECT_EQ(response->status, 502);
    });
    ASSERT_EQ(told_.refused.size(), 1U);
    EXPECT_EQ(told_.refused[0].value, "local/2");
}

TEST_F(WorkerTest, ListsOnlyWhatCanBeAsked) {
    run([&]() -> Task<void> {
        net::FetchRequest request;
        request.endpoint = gateway_;
        request.target = "/v1/models";
        request.deadline = Deadline::in(clock_, 5s);
        auto response = co_await net::fetch(clock_, request);
        EXPECT_EQ(
            response->body, R"({"data":[{"created":0,"id":"m","object":"model",)"
                            R"("owned_by":"llamacpp"}],"object":"list"})"
        );
        install(serving(3, "org/model:Q4"));
        request.target = "/v1/models/org/model:Q4";
        response = co_await net::fetch(clock_, request);
        EXPECT_EQ(response->status, 200);
        install(loading());
        request.target = "/v1/models";
        response = co_await net::fetch(clock_, request);
        EXPECT_EQ(response->body, R"({"data":[],"object":"list"})");
        request.target = "/health/ready";
        response = co_await net::fetch(clock_, request);
        EXPECT_EQ(response->status, 503);
    });
}

TEST_F(WorkerTest, TheEmbedSlotsUpstreamComesAndGoesWithoutTheLocalOne) {
    std::string arrived;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        const auto body = co_await exchange.read_body(1U << 20U);
        arrived = *body;
        (void)co_await exchange.respond(200, "application/json", *body);
    };
    const auto without_embed = [&](int local) {
        RoutingTable table = serving(local);
        table.local_embeds = false;
        return table;
    };
    const auto with_embed = [&](int local) {
        auto upstream = std::make_shared<Upstream>(*serving(1, "e").local);
        upstream->id = UpstreamId{"embed/1"};
        auto embed = std::make_shared<RoutingTable>();
        embed->known_models = upstream->models;
        embed->local = std::move(upstream);
        RoutingTable table = without_embed(local);
        table.embed = std::move(embed);
        return table;
    };
    const auto embedding = [&](const std::string& body) {
        net::FetchRequest request = chat(body);
        request.target = "/v1/embeddings";
        return request;
    };
    run([&]() -> Task<void> {
        install(with_embed(1));
        const auto own = co_await net::fetch(clock_, embedding(R"({"model":"e","input":"x"})"));
        EXPECT_EQ(own->body, R"({"model":"e","input":"x"})");
        // The local engine makes none: asked for by the name the embed slot has for its model.
        const auto mapped = co_await net::fetch(clock_, embedding(R"({"model":"m","input":"x"})"));
        // The upstream here sends back what it was sent; the client reads its own name (trap 71).
        EXPECT_EQ(mapped->body, R"({"model":"m","input":"x"})");
        EXPECT_EQ(arrived, R"({"model":"e","input":"x"})");
        const auto refused = co_await net::fetch(clock_, chat(R"({"model":"e"})"));
        EXPECT_EQ(refused->status, 400);

        net::FetchRequest list;
        list.endpoint = gateway_;
        list.target = "/v1/models";
        list.deadline = Deadline::in(clock_, 10s);
        const auto models = co_await net::fetch(clock_, list);
        EXPECT_NE(models->body.find(R"("id":"m")"), std::string::npos) << models->body;
        EXPECT_NE(models->body.find(R"("id":"e")"), std::string::npos) << models->body;

        install(with_embed(2));
        const auto after = co_await net::fetch(clock_, embedding(R"({"model":"e"})"));
        EXPECT_EQ(after->status, 200) << "a switch of the local slot is not its business";
        install(without_embed(2));
        const auto gone = co_await net::fetch(clock_, embedding(R"({"model":"e"})"));
        EXPECT_EQ(gone->status, 404);
    });
}

}  // namespace
}  // namespace nova::gateway

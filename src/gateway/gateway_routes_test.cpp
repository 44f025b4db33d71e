// The routes that tell: models for a key, how providers stand, and where clients look by mistake.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/api_keys.hpp"
#include "gateway/relay_fixture.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

struct ScopedKeys {
    std::string key(Access scope) {
        const NewKey made = make_key();
        scope.key_id = made.id;
        keys.push_back(
            {.access = std::make_shared<const Access>(std::move(scope)),
             .hash = made.hash,
             .expires_at = {},
             .meter = std::make_shared<KeyMeter>(KeyLimits{})}
        );
        gatekeeper.install(std::make_shared<const KeyTable>(keys));
        return made.text.reveal();
    }

    SystemClock key_clock;
    KeyDesk desk;
    KeyGatekeeper gatekeeper{desk, key_clock, Loopback::open};
    std::vector<ApiKey> keys;
};

class GatewayRoutes : public ScopedKeys, public testing::RelayFixture {
protected:
    GatewayRoutes() : RelayFixture{{}, &gatekeeper} {}

    Task<net::FetchResponse> get(std::string target, std::string key_text = {}) {
        net::FetchRequest request;
        request.endpoint = gateway_;
        request.target = std::move(target);
        request.deadline = Deadline::in(clock_, testing::kPatience);
        if (!key_text.empty()) {
            request.headers = {{"Authorization", "Bearer " + key_text}};
        }
        co_return co_await ask(std::move(request));
    }

    // Every name in the answer, whichever list it is.
    Task<std::string> names(std::string target, std::string key_text) {
        const auto answer = co_await get(std::move(target), std::move(key_text));
        EXPECT_EQ(answer.status, 200) << answer.body;
        const json body = json::parse(answer.body, nullptr, false);
        const json& list = body.is_array()         ? body
                           : body.contains("data") ? body["data"]
                                                   : body["models"];
        std::string all;
        for (const json& model : list) {
            all += model.value("id", model.value("name", "?")) + " ";
        }
        co_return all;
    }

    // Here m, at a cloud x, and an alias for each.
    RoutingTable two() const {
        RoutingTable table = serving(1);
        auto other = cloud(2);
        other->models = {"x"};
        table.clouds = {other};
        table.aliases = {
            {.name = "mine", .provider = {}, .model = "m"},
            {.name = "fast", .provider = "c2", .model = "x"}
        };
        return table;
    }
};

TEST_F(GatewayRoutes, EveryListShowsAKeyOnlyWhatItMayUse) {
    const std::string all = key({});
    const std::string here = key({.key_id = {}, .key_name = {}, .never_cloud = true});
    const std::string one = key({.key_id = {}, .key_name = {}, .models = {"x"}});
    install(two());
    run([&]() -> Task<void> {
        for (const std::string path : {"/v1/models", "/api/tags"}) {
            EXPECT_EQ(co_await names(path, all), "m x mine fast ") << path;
            EXPECT_EQ(co_await names(path, here), "m mine ") << path;
            EXPECT_EQ(co_await names(path, one), "x fast ") << path << ": and what stands for it";
            EXPECT_EQ((co_await get(path)).status, 401) << path;
        }
        EXPECT_EQ(co_await names("/models", one), "__default__ x fast ");
        EXPECT_EQ(co_await names("/api/ps", one), "");
        EXPECT_EQ((co_await get("/v1/models/m", one)).status, 404);
        EXPECT_EQ((co_await get("/v1/models/x", one)).status, 200);
        EXPECT_EQ((co_await get("/v1/models/x", here)).status, 404);
        net::FetchRequest show = post("/api/show", R"({"model":"m"})");
        show.headers.emplace_back("Authorization", "Bearer " + one);
        EXPECT_EQ((co_await ask(std::move(show))).status, 404);
    });
}

TEST_F(GatewayRoutes, TheFirstNovasListIsABareOne) {
    RoutingTable table = two();
    table.embed = std::make_shared<const RoutingTable>(serving(3, "e"));
    install(std::move(table));
    run([&]() -> Task<void> {
        const auto answer = co_await get("/models");
        const json body = json::parse(answer.body);
        EXPECT_EQ(body.size(), 6U) << answer.body;
        EXPECT_EQ(body[0]["id"], "__default__");
        EXPECT_EQ(body[0]["provider"], "llamacpp");
        EXPECT_EQ(body[1]["capabilities"], json({"chat", "streaming"}));
        EXPECT_EQ(body[2]["capabilities"], json::array({"embeddings"})) << answer.body;
        EXPECT_TRUE(body[1]["cost_per_input_token"].is_null());
        install(known());
        EXPECT_EQ((co_await get("/models")).body, "[]");
    });
}

TEST_F(GatewayRoutes, ACloudThatIsKeptAwayFromSaysSoAndWhy) {
    install(two());
    Breaker& breaker = breakers_.of("cloud/c2");
    run([&]() -> Task<void> {
        const auto row = [&]() -> Task<json> {
            const auto answer = co_await get("/health/providers");
            const json rows = json::parse(answer.body)["providers"];
            EXPECT_FALSE(rows[0].contains("circuit")) << "the local one has its lifecycle";
            co_return rows[1];
        };
        EXPECT_EQ((co_await row())["circuit"], "closed");
        EXPECT_FALSE((co_await row()).contains("retry_in_s"));
        breaker.try_enter(clock_.now())->ended(Health::credentials, clock_.now());
        EXPECT_EQ((co_await row())["circuit"], "credentials");
        EXPECT_GE((co_await row())["retry_in_s"], 299);
        breakers_.forget("cloud/c2");
        breaker.try_enter(clock_.now())->ended(Health::limited, clock_.now(), 7s);
        EXPECT_EQ((co_await row())["circuit"], "rate_limited");
        breakers_.forget("cloud/c2");
        breaker.try_enter(clock_.now())->ended(Health::bad, clock_.now() - 60s, 30s);
        EXPECT_EQ((co_await row())["circuit"], "half_open") << "its time is up";
    });
}

TEST_F(GatewayRoutes, ClientsThatForgotTheVersionAreServed) {
    install(serving(1));
    run([&]() -> Task<void> {
        for (const std::string path :
             {"/chat/completions", "/completions", "/embeddings", "/responses"}) {
            const auto answer = co_await ask(post(path, R"({"model":"m","input":"hi"})"));
            EXPECT_EQ(answer.status, 200) << path << answer.body;
            EXPECT_EQ(target_, "/1/v1" + path);
        }
    });
}

TEST_F(GatewayRoutes, WhatOllamasApiHasNotIsSaidInItsWords) {
    install(serving(1));
    run([&]() -> Task<void> {
        auto answer = co_await get("/api/nothing/here");
        EXPECT_EQ(answer.status, 404);
        EXPECT_TRUE(json::parse(answer.body)["error"].is_string()) << answer.body;
        answer = co_await ask(post("/api/experimental", "{}"));
        EXPECT_EQ(answer.status, 404);
        EXPECT_TRUE(json::parse(answer.body)["error"].is_string()) << answer.body;
        answer = co_await get("/api/chat");
        EXPECT_EQ(answer.status, 405);
        EXPECT_EQ(answer.header("allow"), "POST");
        EXPECT_TRUE(json::parse(answer.body)["error"].is_string()) << answer.body;
        answer = co_await ask(post("/api/pull", "{}"));
        EXPECT_EQ(answer.status, 403);
        EXPECT_NE(answer.body.find("nova start"), std::string::npos) << answer.body;
        answer = co_await get("/v1/nothing");
        EXPECT_TRUE(json::parse(answer.body)["error"].is_object()) << answer.body;
    });
}

}  // namespace
}  // namespace nova::gateway

// Keys through the whole relay: limits, places, the list of what runs.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/api_keys.hpp"
#include "gateway/gateway_fixture.hpp"
#include "gateway/running_request.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;
using testing::event_of;

// Before the fixture, whose worker holds on to it.
struct KeySide {
    std::string key(KeyLimits limits, std::vector<std::string> models = {}) {
        const NewKey made = make_key();
        auto access = std::make_shared<Access>();
        access->key_id = made.id;
        access->key_name = "laptop";
        access->models = std::move(models);
        meter = std::make_shared<KeyMeter>(limits);
        keys.push_back(
            {.access = std::move(access), .hash = made.hash, .expires_at = {}, .meter = meter}
        );
        gatekeeper.install(std::make_shared<const KeyTable>(keys));
        return made.text.reveal();
    }

    SystemClock key_clock;
    KeyDesk desk;
    KeyGatekeeper gatekeeper{desk, key_clock, Loopback::open};
    std::vector<ApiKey> keys;
    std::shared_ptr<KeyMeter> meter;
};

class WorkerKeys : public KeySide, public testing::GatewayFixture {
protected:
    WorkerKeys() : GatewayFixture{{}, &gatekeeper} {}

    net::FetchRequest chat_with(const std::string& key) const {
        net::FetchRequest request = chat();
        request.headers.emplace_back("Authorization", "Bearer " + key);
        request.headers.emplace_back("X-Request-Id", "mine");
        request.body = R"({"model":"m","stream":true})";
        return request;
    }

    static std::string header(const net::FetchResponse& response, std::string_view name) {
        for (const auto& [key, value] : response.headers) {
            if (net::equal_ignoring_case(key, name)) {
                return value;
            }
        }
        return {};
    }

    // Begins an event stream and goes on until the client leaves or told to end.
    void answer_without_end() {
        answer_ = [this](net::Exchange& exchange) -> Task<void> {
            (void)co_await exchange.read_body(1U << 20U);
            const net::HeaderView type{"Content-Type", "text/event-stream"};
            exchange.begin(200, {&type, 1}, std::nullopt);
            do {
                const auto written = co_await exchange.write(event_of("x"));
                if (!written) {
                    co_return;
                }
                co_await clock_.sleep_for(1ms);
            } while (!ended_);
            (void)co_await exchange.write("data: [DONE]\n\n");
            (void)co_await exchange.end();
        };
    }

    bool ended_ = false;
};

TEST_F(WorkerKeys, RefuseInTheClientsDialect) {
    key({});
    install(serving(1));
    run([&]() -> Task<void> {
        const auto missing = co_await ask(chat());
        EXPECT_EQ(missing.status, 401);
        EXPECT_EQ(nlohmann::json::parse(missing.body)["error"]["code"], "invalid_api_key");
        net::FetchRequest ollama = chat_with("nova_0_0");
        ollama.target = "/api/chat";
        const auto wrong = co_await ask(std::move(ollama));
        EXPECT_EQ(wrong.status, 401);
        EXPECT_TRUE(nlohmann::json::parse(wrong.body)["error"].is_string());
    });
    EXPECT_EQ(heard_.all.size(), 2U);
    EXPECT_EQ(heard_.all.front().end, RequestEnd::refused);
    EXPECT_EQ(heard_.all.front().status, 401);
}

TEST_F(WorkerKeys, TellTheLimitThatIsReached) {
    const std::string key_text = key({.requests_per_minute = 1});
    install(serving(1));
    run([&]() -> Task<void> {
        const auto served = co_await ask(chat_with(key_text));
        EXPECT_EQ(served.status, 200);
        const auto refused = co_await ask(chat_with(key_text));
        EXPECT_EQ(refused.status, 429);
        EXPECT_EQ(header(refused, "x-ratelimit-limit-requests"), "1");
        EXPECT_EQ(header(refused, "x-ratelimit-remaining-requests"), "0");
        EXPECT_NE(header(refused, "x-ratelimit-reset-requests"), "");
        EXPECT_NE(header(refused, "Retry-After"), "");
    });
    EXPECT_EQ(meter->running(), 0U);
}

TEST_F(WorkerKeys, CountTokensAgainstTheKey) {
    const std::string key_text = key({.tokens_per_minute = 10});
    install(serving(1));
    answer_ = [](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        (void)co_await exchange.respond(
            200, "application/json",
            R"({"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"},)"
            R"("finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9,)"
            R"("total_tokens":18}})"
        );
    };
    run([&]() -> Task<void> {
        const auto served = co_await ask(chat_with(key_text));
        EXPECT_EQ(served.status, 200);
        const auto refused = co_await ask(chat_with(key_text));
        EXPECT_EQ(refused.status, 429);
        EXPECT_EQ(header(refused, "x-ratelimit-remaining-tokens"), "0");
    });
}

TEST_F(WorkerKeys, HoldAKeyToItsModels) {
    const std::string other = key({}, {"llama*"});
    const std::string own = key({}, {"m"});
    install(serving(1));
    run([&]() -> Task<void> {
        const auto refused = co_await ask(chat_with(other));
        EXPECT_EQ(refused.status, 404);
        EXPECT_EQ(nlohmann::json::parse(refused.body)["error"]["code"], "model_not_found");
        const auto served = co_await ask(chat_with(own));
        EXPECT_EQ(served.status, 200);
    });
    EXPECT_EQ(heard_.all.front().attempts, 0U);
}

// Trap 38: however a request ends, its place is free again.
TEST_F(WorkerKeys, GiveAPlaceBackHoweverTheRequestEnds) {
    const std::string key_text = key({.concurrent = 1});
    install(serving(1));
    answer_without_end();
    const auto first = ask_aside(chat_with(key_text));
    run([&]() -> Task<void> {
        const bool runs = co_await until([&] { return meter->running() == 1; });
        EXPECT_TRUE(runs);
        const auto second = co_await ask(chat_with(key_text));
        EXPECT_EQ(second.status, 429);
        ended_ = true;
        const bool over = co_await until([&] { return first->has_value(); });
        EXPECT_TRUE(over);
        const bool free = co_await until([&] { return meter->running() == 0; });
        EXPECT_TRUE(free);
        ended_ = false;
        answer_without_end();
        const auto cut = ask_aside(chat_with(key_text));
        const bool again = co_await until([&] { return worker_.inflight(id(1)) == 1; });
        EXPECT_TRUE(again);
        worker_.cut(id(1));
        const bool left = co_await until([&] { return meter->running() == 0; });
        EXPECT_TRUE(left);
        (void)co_await until([&] { return cut->has_value(); });
        ended_ = true;
        net::FetchRequest unknown = chat_with(key_text);
        unknown.body = R"({"model":"nowhere"})";
        const auto refused = co_await ask(std::move(unknown));
        EXPECT_EQ(refused.status, 404);
        const auto served = co_await ask(chat_with(key_text));
        EXPECT_EQ(served.status, 200);
    });
    EXPECT_EQ(meter->running(), 0U);
}

TEST_F(WorkerKeys, ListWhatRunsWithoutWhatIsAsked) {
    const std::string key_text = key({});
    install(serving(1));
    EXPECT_TRUE(worker_.running().empty());
    answer_without_end();
    const auto answer = ask_aside(chat_with(key_text));
    run([&]() -> Task<void> {
        const auto answering = [&] {
            const auto list = worker_.running();
            return list.size() == 1 && list.front().phase == "answering" && list.front().bytes > 0;
        };
        const bool runs = co_await until(answering);
        EXPECT_TRUE(runs);
        const auto list = worker_.running();
        EXPECT_EQ(list.size(), 1U);
        EXPECT_EQ(list.front().id, "mine");
        EXPECT_EQ(list.front().model, "m");
        EXPECT_EQ(list.front().provider, "llamacpp");
        EXPECT_EQ(list.front().key_name, "laptop");
        EXPECT_EQ(list.front().route, "/v1/chat/completions");
        ended_ = true;
        (void)co_await until([&] { return answer->has_value(); });
        const bool empty = co_await until([&] { return worker_.running().empty(); });
        EXPECT_TRUE(empty);
    });
}

}  // namespace
}  // namespace nova::gateway

// One request through the gateway: dialects, names, ids, usage, keys and fallback, as a client sees
// them.
#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/gatekeeper.hpp"
#include "gateway/relay_fixture.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;
using dialect::Dialect;
using nlohmann::json;

using Relay = testing::RelayFixture;

constexpr std::string_view kOllamaWhole =
    R"({"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant",)"
    R"("content":"Hello"},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2})";

TEST_F(Relay, GivesTheClientItsOwnNameOfAModelThatIsCalledOtherwise) {
    auto other = cloud(1);
    other->models = {};
    other->default_model = "theirs";
    other->options.include_usage = true;
    says(1, "application/json", R"({"model" : "theirs-2024", "n":1.0})");
    install(only(other));
    run([&]() -> Task<void> {
        const auto answer =
            co_await ask(post("/v1/chat/completions", R"({"model":"m","big":1e400})"));
        EXPECT_EQ(answer.body, R"({"model" : "m", "n":1.0})");
        EXPECT_EQ(asked_, R"({"model":"theirs","big":1e400})") << "every other byte as it came";
        EXPECT_EQ(answer.header("x-nova-model"), "theirs");
        EXPECT_EQ(answer.header("x-nova-provider"), "c1");
    });
    EXPECT_EQ(last().model, "m");
    EXPECT_EQ(last().upstream_model, "theirs");

    says(
        1, "text/event-stream",
        "data: {\"model\":\"theirs\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
        "data: {\"model\":\"theirs\",\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"choices\":[],\"usage\":{\"completion_tokens\":7}}\n\ndata: [DONE]\n\n"
    );
    run([&]() -> Task<void> {
        const auto answer =
            co_await ask(post("/v1/chat/completions", R"({"model":"m","stream":true})"));
        EXPECT_EQ(
            answer.body, "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
                         "data: {\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n"
                         "data: [DONE]\n\n"
        );
        EXPECT_NE(asked_.find(R"("stream_options":{"include_usage":true})"), std::string::npos);
    });
    EXPECT_EQ(last().usage.completion, 7U);
}

TEST_F(Relay, KeepsEveryByteOfUsageThatTheClientAskedFor) {
    const std::string events = testing::event_of("a") +
                               "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,"
                               "\"completion_tokens\":7}}\n\ndata: [DONE]\n\n";
    says(1, "text/event-stream", events);
    install(serving(1));
    run([&]() -> Task<void> {
        const std::string body =
            R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})";
        const auto answer = co_await ask(post("/v1/chat/completions", body));
        EXPECT_EQ(answer.body, events);
        EXPECT_EQ(asked_, body);
    });
    EXPECT_EQ(last().usage.prompt, 4U);
    EXPECT_EQ(last().usage.completion, 7U);
    EXPECT_FALSE(last().usage_counted);
}

TEST_F(Relay, TakesOverARequestIdThatIsSafeAndMakesOneElse) {
    install(serving(1));
    run([&]() -> Task<void> {
        auto request = chat();
        request.headers.emplace_back("X-Request-Id", "mine-1.2_3");
        EXPECT_EQ((co_await ask(std::move(request))).header("x-request-id"), "mine-1.2_3");
        EXPECT_EQ(request_id_, "mine-1.2_3");
        request = chat();
        request.headers.emplace_back("X-Request-Id", "<script>");
        const auto made = co_await ask(std::move(request));
        EXPECT_TRUE(made.header("x-request-id").starts_with("req-"));
        EXPECT_EQ(made.header("x-request-id"), request_id_);
        const auto refused = co_await ask(post("/v1/chat/completions", "{"));
        EXPECT_EQ(refused.status, 400);
        EXPECT_TRUE(refused.header("x-request-id").starts_with("req-"));
    });
    EXPECT_EQ(last().end, RequestEnd::refused);
    EXPECT_EQ(last().status, 400);
}

TEST_F(Relay, AHostileModelNameGetsIntoNoHeader) {
    RoutingTable table = serving(1);
    auto any = std::make_shared<Upstream>(*table.local);
    any->models_known = false;
    table.local = std::move(any);
    install(std::move(table));
    run([&]() -> Task<void> {
        const auto answer =
            co_await ask(post("/v1/chat/completions", R"({"model":"a\r\nX-Evil: 1"})"));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.header("x-evil"), "");
        EXPECT_EQ(answer.header("x-nova-model"), "");
    });
}

TEST_F(Relay, AnErrorInAWhole200IsNoAnswer) {
    says(1, "application/json", R"( {"error":{"message":"planned","code":"planned"}})");
    says(2, "application/json", R"({"model":"m"})");
    RoutingTable table = serving(1);
    install(table);
    run([&]() -> Task<void> {
        const auto alone = co_await ask(chat());
        EXPECT_EQ(alone.status, 502);
        EXPECT_NE(alone.body.find("planned"), std::string::npos);
        table.clouds.push_back(cloud(2));
        install(table);
        const auto answer = co_await ask(chat());
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.header("x-nova-route"), "local(planned) -> c2");
    });
}

// A response repeats the tools it was asked with: a parameter may be called so.
TEST_F(Relay, AResponseWhoseToolHasAnErrorIsAnAnswer) {
    const std::string tools =
        R"("tools":[{"type":"function","parameters":{"properties":{"error":{"type":"string"}}}}])";
    const std::string whole = R"({"error":null,)" + tools + "}";
    const std::string events = R"(data: {"type":"response.created","response":{"error":null,)" +
                               tools + "}}\n\n" + R"(data: {"type":"response.completed"})" + "\n\n";
    install(serving(1));
    for (const auto& [type, body] :
         {std::pair{"application/json", whole}, std::pair{"text/event-stream", events}}) {
        says(1, type, body);
        run([&]() -> Task<void> {
            const auto answer = co_await ask(post("/v1/responses", R"({"model":"m","input":"x"})"));
            EXPECT_EQ(answer.status, 200) << type;
            EXPECT_EQ(answer.body, body);
        });
    }
}

TEST_F(Relay, WhenAllFailTheErrorNamesEach) {
    RoutingTable table = known();
    answer_ = [](net::Exchange& exchange) -> Task<void> {
        const bool first = exchange.parameter("number") == "1";
        (void)co_await exchange.respond(first ? 500 : 401, "application/json", R"({"error":"x"})");
    };
    table.clouds = {cloud(1), cloud(2)};
    install(std::move(table));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(chat());
        EXPECT_EQ(answer.status, 502);
        const json body = json::parse(answer.body);
        EXPECT_EQ(body["error"]["code"], "all_providers_failed");
        EXPECT_EQ(
            body["attempts"], json::parse(R"([{"provider":"c1","code":"upstream_failed"},)"
                                          R"({"provider":"c2","code":"upstream_auth_error"}])")
        );
        EXPECT_EQ(answer.header("x-nova-route"), "c1(upstream_failed) -> c2(upstream_auth_error)");
    });
    EXPECT_EQ(last().end, RequestEnd::failed);
}

TEST_F(Relay, ARefusedKeySidelinesAProviderForEverybody) {
    int asked = 0;
    answer_ = [&asked](net::Exchange& exchange) -> Task<void> {
        ++asked;
        (void)co_await exchange.respond(401, "application/json", "{}");
    };
    install(only(cloud(1)));
    run([&]() -> Task<void> {
        EXPECT_EQ((co_await ask(chat())).status, 502);
        const auto second = co_await ask(chat());
        EXPECT_EQ(second.status, 503);
        EXPECT_NE(second.body.find("credentials"), std::string::npos) << second.body;
        EXPECT_NE(second.header("retry-after"), "");
    });
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(breakers_.of("cloud/c1").under_way(), 0);
}

TEST_F(Relay, UnderLocalOnlyNoCloudIsDialled) {
    RoutingTable table = known();
    table.strategy = Strategy::local_only;
    table.clouds = {cloud(1)};
    install(std::move(table));
    run([&]() -> Task<void> { EXPECT_GE((co_await ask(chat())).status, 400); });
    EXPECT_EQ(asked_, "");
}

// Who could not be asked because the mode changed meanwhile is as healthy as before.
TEST_F(Relay, AProviderThatMayNotBeAskedIsNotBlamed) {
    RoutingTable table = known();
    table.clouds = {cloud(1), cloud(2)};
    const auto serve = std::exchange(answer_, [&](net::Exchange& exchange) -> Task<void> {
        RoutingTable closed = table;
        closed.strategy = Strategy::local_only;
        install(std::move(closed));  // the plan of this request is older
        (void)co_await exchange.respond(503, "application/json", R"({"error":"x"})");
    });
    run([&]() -> Task<void> {
        for (std::uint32_t round = 0; round < Breaker::kFailures; ++round) {
            install(table);
            EXPECT_GE((co_await ask(chat())).status, 500);
            EXPECT_EQ(heard_.given_up.back(), "c2(not_permitted)");
        }
        answer_ = serve;
        install(table);
        const auto answer = co_await ask(chat());
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("x-nova-route"), "c1(circuit_open) -> c2");
    });
    EXPECT_EQ(breakers_.of("cloud/c2").under_way(), 0);
}

TEST_F(Relay, OpenAisClientsTalkToOllamaNatively) {
    says(1, "application/json", std::string{kOllamaWhole});
    install(on_ollama(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(post(
            "/v1/chat/completions",
            R"({"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5})"
        ));
        EXPECT_EQ(answer.status, 200) << answer.body;
        const json body = json::parse(answer.body);
        EXPECT_EQ(body["choices"][0]["message"]["content"], "Hello");
        EXPECT_EQ(body["model"], "m");
        EXPECT_EQ(body["usage"]["total_tokens"], 5);
        EXPECT_EQ(target_, "/1/api/chat");
        const json sent = json::parse(asked_);
        EXPECT_EQ(sent["stream"], false);
        EXPECT_EQ(sent["options"]["num_predict"], 5);
    });
    EXPECT_EQ(last().usage.prompt, 3U);
}

TEST_F(Relay, OllamasClientsTalkToAnybody) {
    says(
        1, "text/event-stream",
        testing::event_of("Hello") +
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
            "data: [DONE]\n\n"
    );
    install(serving(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(
            post("/api/chat", R"({"model":"m","messages":[{"role":"user","content":"hi"}]})")
        );
        EXPECT_EQ(answer.header("content-type"), "application/x-ndjson");
        EXPECT_NE(answer.body.find("\"content\":\"Hello\""), std::string::npos) << answer.body;
        EXPECT_NE(answer.body.find("\"done\":true"), std::string::npos) << answer.body;
        EXPECT_EQ(json::parse(asked_)["stream"], true) << "Ollama streams unless told not to";
        const auto unknown = co_await ask(post("/api/chat", R"({"model":"other"})"));
        EXPECT_EQ(unknown.status, 404);
        EXPECT_TRUE(json::parse(unknown.body)["error"].is_string()) << unknown.body;
    });
}

// Trap 84. A provider would refuse a request without messages, or be paid for an answer to none.
TEST_F(Relay, AWarmUpAsksNobodyWhereNoOllamaIsBehind) {
    auto anthropic = cloud(1);
    anthropic->speaks = Dialect::anthropic;

    struct Row {
        std::string_view target;
        std::string_view members;
        std::string_view reason;
    };

    for (const RoutingTable& table : {serving(1), only(anthropic)}) {
        install(table);
        for (const Row& row :
             {Row{"/api/chat", R"("stream":false)", "load"},
              Row{"/api/chat", R"("messages":[],"keep_alive":"5m")", "load"},
              Row{"/api/chat", R"("messages":[],"keep_alive":0)", "unload"},
              Row{"/api/generate", R"("keep_alive":-1)", "load"},
              Row{"/api/generate", R"("prompt":"","system":"s","keep_alive":0)", "unload"}}) {
            run([&]() -> Task<void> {
                const std::string body = fmt::format(R"({{"model":"m",{}}})", row.members);
                const auto answer = co_await ask(post(std::string{row.target}, body));
                EXPECT_EQ(answer.status, 200) << answer.body;
                json said = json::parse(answer.body);
                EXPECT_EQ(said["model"], "m");
                EXPECT_EQ(said["done"], true);
                EXPECT_EQ(said["done_reason"], row.reason) << body;
                EXPECT_EQ(answer.header("x-nova-provider"), "") << "nobody was asked";
            });
            EXPECT_EQ(asked_, "") << row.target;
            EXPECT_EQ(last().end, RequestEnd::served);
            EXPECT_EQ(last().status, 200);
            EXPECT_EQ(last().provider, "");
        }
        run([&]() -> Task<void> {
            const auto wrong = co_await ask(post("/api/chat", R"({"model":"m","messages":[{}]})"));
            EXPECT_EQ(wrong.status, 400) << wrong.body;
            const auto unknown = co_await ask(post("/api/generate", R"({"model":"other"})"));
            EXPECT_EQ(unknown.status, 404) << unknown.body;
        });
    }
    EXPECT_EQ(breakers_.of("cloud/c1").under_way(), 0);
}

// Trap 85, and never a 200 with an error's body.
TEST_F(Relay, ArgumentsThatOllamasClientsCannotReadAreNoAnswer) {
    const auto calling = [](std::string_view arguments) {
        return fmt::format(
            R"({{"choices":[{{"message":{{"tool_calls":[{{"id":"t","function":{{"name":"f",)"
            R"("arguments":"{}"}}}}]}},"finish_reason":"tool_calls"}}]}})",
            arguments
        );
    };
    says(1, "application/json", calling("[1"));
    says(2, "application/json", calling("{}"));
    for (const std::string_view stream : {"false", "true"}) {
        const std::string body = fmt::format(
            R"({{"model":"m","stream":{},"messages":[{{"role":"user","content":"hi"}}]}})", stream
        );
        RoutingTable table = serving(1);
        install(table);
        run([&]() -> Task<void> {
            const auto alone = co_await ask(post("/api/chat", body));
            EXPECT_EQ(alone.status, 502) << alone.body;
            EXPECT_NE(alone.body.find("arguments for `f`"), std::string::npos) << alone.body;
            table.clouds.push_back(cloud(2));
            install(table);
            const auto answer = co_await ask(post("/api/chat", body));
            EXPECT_EQ(answer.status, 200) << answer.body;
            EXPECT_NE(answer.body.find(R"("arguments":{})"), std::string::npos) << answer.body;
            EXPECT_EQ(answer.header("x-nova-route"), "local(upstream_broken_answer) -> c2");
        });
    }
}

TEST_F(Relay, OllamasOwnClientsGetItsBytesUntouched) {
    const std::string lines =
        "{\"model\":\"m\",\"message\":{\"content\":\"Hello\"},\"done\":false}\n" +
        std::string{kOllamaWhole} + "\n";
    says(1, "application/x-ndjson", lines);
    install(on_ollama(1));
    run([&]() -> Task<void> {
        const std::string body = R"({ "model":"m","messages":[],"keep_alive":"1m" })";
        const auto answer = co_await ask(post("/api/chat", body));
        EXPECT_EQ(answer.body, lines);
        EXPECT_EQ(asked_, body);
    });
    EXPECT_EQ(last().usage.completion, 2U);
}

TEST_F(Relay, AnthropicsClientsTalkToAnybody) {
    says(
        1, "text/event-stream",
        testing::event_of("Hello") +
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
            "data: [DONE]\n\n"
    );
    install(serving(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(post(
            "/v1/messages", R"({"model":"m","max_tokens":5,"stream":true,"messages":[)"
                            R"({"role":"user","content":"hi"}]})"
        ));
        EXPECT_EQ(answer.header("content-type"), "text/event-stream");
        EXPECT_NE(answer.body.find("event: content_block_delta"), std::string::npos);
        EXPECT_NE(answer.body.find("event: message_stop"), std::string::npos) << answer.body;
        EXPECT_EQ(target_, "/1/v1/chat/completions");
        const auto unknown = co_await ask(post("/v1/messages", R"({"model":"other"})"));
        EXPECT_EQ(unknown.status, 404);
        EXPECT_EQ(json::parse(unknown.body)["type"], "error") << unknown.body;
    });
}

TEST_F(Relay, EmbeddingsAreTranslatedToo) {
    says(1, "application/json", R"({"model":"m","embeddings":[[1.0,2.0]],"prompt_eval_count":4})");
    install(on_ollama(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(post("/v1/embeddings", R"({"model":"m","input":"x"})"));
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(json::parse(answer.body)["data"][0]["embedding"], json::parse("[1.0,2.0]"));
        EXPECT_EQ(target_, "/1/api/embed");
    });
    EXPECT_EQ(last().usage.prompt, 4U);
}

TEST_F(Relay, ResponsesGoOnlyWhereTheyAreUnderstood) {
    says(1, "application/json", R"({"object":"response"})");
    install(serving(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(post("/v1/responses", R"({"model":"m","input":"x"})"));
        EXPECT_EQ(answer.body, R"({"object":"response"})");
        EXPECT_EQ(target_, "/1/v1/responses");
        install(on_ollama(1));
        const auto refused = co_await ask(post("/v1/responses", R"({"model":"m","input":"x"})"));
        EXPECT_EQ(refused.status, 501);
        EXPECT_NE(refused.body.find("ollama has nothing like /v1/responses"), std::string::npos)
            << refused.body;
    });
}

TEST_F(Relay, TheFirstNovasClientsMayLeaveTheModelToUs) {
    says(1, "application/json", std::string{kOllamaWhole});
    install(on_ollama(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask(
            post("/complete", R"({"model":null,"messages":[{"role":"user","content":"hi"}]})")
        );
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(json::parse(answer.body)["content"], "Hello");
        EXPECT_EQ(json::parse(asked_)["model"], "m");
    });
}

class Beating : public Relay {
protected:
    Beating() : Relay{beating()} {}

    static GatewayPolicy beating() {
        GatewayPolicy policy;
        policy.heartbeat = 20ms;
        policy.keep_alive_hold = 50ms;
        return policy;
    }

    // A stream as it arrives, until its end.
    Task<void> listen(std::string_view path, std::function<void(const std::string&)> heard) {
        auto connection = co_await net::dial(gateway_, clock_, Deadline::in(clock_, 5s));
        (*connection)->expire_at(clock_.now() + testing::kPatience);
        const std::string body = R"({"model":"m","stream":true,"max_tokens":9,)"
                                 R"("messages":[{"role":"user","content":"a"}]})";
        const std::string request = fmt::format(
            "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
            path, body.size(), body
        );
        EXPECT_TRUE(co_await (*connection)->write(request));
        std::string text;
        char buffer[4096];
        for (;;) {
            const auto got = co_await (*connection)->read_some(buffer);
            if (!got || *got == 0) {
                co_return;
            }
            text.append(buffer, *got);
            heard(text);
        }
    }
};

TEST_F(Beating, FillsASilenceBetweenEventsAndNeverInsideOne) {
    bool pinged = false;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(testing::event_of("a"));
        EXPECT_TRUE(co_await until([&] { return pinged; }));
        (void)co_await exchange.write("data: [DO");
        co_await clock_.sleep_for(100ms);
        (void)co_await exchange.write("NE]\n\n");
        (void)co_await exchange.end();
    };
    install(serving(1));
    run([&]() -> Task<void> {
        std::string text;
        co_await listen("/v1/chat/completions", [&](const std::string& so_far) {
            text = so_far;
            pinged = pinged || text.find(": ping\n\n") != std::string::npos;
        });
        // Two chunks behind each other: nothing came between the halves of the event.
        EXPECT_NE(text.find("data: [DO\r\n5\r\nNE]\n\n"), std::string::npos) << text;
    });
    EXPECT_TRUE(pinged);
}

// A provider whose queue is long tells that it is there; a client that hears nothing for minutes
// does not know.
TEST_F(Beating, PassesOnThatAProviderIsBusy) {
    for (const char* path : {"/v1/chat/completions", "/v1/messages"}) {
        bool heard = false;
        bool before_content = false;
        answer_ = [&](net::Exchange& exchange) -> Task<void> {
            (void)co_await exchange.read_body(1U << 20U);
            const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
            exchange.begin(200, headers, std::nullopt);
            const TimePoint end = clock_.now() + testing::kPatience;
            while (!heard && clock_.now() < end) {
                (void)co_await exchange.write(": busy\n\n");
                co_await clock_.sleep_for(10ms);
            }
            before_content = heard;
            (void)co_await exchange.write(testing::event_of("a"));
            (void)co_await exchange.write("data: [DONE]\n\n");
            (void)co_await exchange.end();
        };
        install(serving(1));
        run([&]() -> Task<void> {
            co_await listen(path, [&](const std::string& text) { heard = !text.empty(); });
        });
        EXPECT_TRUE(before_content) << path;
    }
}

// Lets in who says the word, and counts.
class Doorman final : public Gatekeeper {
public:
    Result<std::shared_ptr<const Access>>
    admit(const net::RequestHead& head, const net::Peer& /*peer*/) override {
        if (head.headers.find("Authorization") != "Bearer word") {
            return fail(ErrorCode::unauthorized, "No.");
        }
        return access;
    }

    Result<void> enter(const Access& /*access*/) override {
        if (entered == limit) {
            return fail(Error{
                .code = ErrorCode::rate_limited,
                .message = "Too many.",
                .retry_after = std::chrono::seconds{9},
            });
        }
        ++entered;
        return {};
    }

    void spend(const Access& /*access*/, std::uint64_t tokens) override { spent += tokens; }

    std::shared_ptr<Access> access = std::make_shared<Access>();
    int limit = 1;
    int entered = 0;
    std::uint64_t spent = 0;
};

class Guarded : public Relay {
protected:
    Guarded() : Relay{{}, &doorman_} {}

    net::FetchRequest with_word() const {
        net::FetchRequest request = chat();
        request.headers.emplace_back("Authorization", "Bearer word");
        return request;
    }

    Doorman doorman_;
};

TEST_F(Guarded, AsksTheGatekeeperBeforeTheBodyAndTellsItWhatWasSpent) {
    says(1, "application/json", R"({"usage":{"prompt_tokens":5,"completion_tokens":6}})");
    install(serving(1));
    run([&]() -> Task<void> {
        const auto stranger = co_await ask(chat());
        EXPECT_EQ(stranger.status, 401);
        EXPECT_EQ(asked_, "");
        EXPECT_EQ((co_await ask(with_word())).status, 200);
        const auto limited = co_await ask(with_word());
        EXPECT_EQ(limited.status, 429);
        EXPECT_EQ(limited.header("retry-after"), "9");
    });
    EXPECT_EQ(doorman_.spent, 11U);
    EXPECT_EQ(last().end, RequestEnd::refused);
}

}  // namespace
}  // namespace nova::gateway

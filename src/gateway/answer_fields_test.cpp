// What nova says of an answer in its head: how long it took, what its provider was not told, what
// it did not read.
#include <gtest/gtest.h>

#include "gateway/relay_fixture.hpp"

namespace nova::gateway {
namespace {

using dialect::Dialect;

class AnswerFields : public testing::RelayFixture {
protected:
    std::shared_ptr<Upstream> anthropic(int number) const {
        auto upstream = cloud(number);
        upstream->speaks = Dialect::anthropic;
        return upstream;
    }

    Task<net::FetchResponse> ask_chat(std::string members) {
        co_return co_await ask(post(
            "/v1/chat/completions",
            R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + members + "}"
        ));
    }
};

constexpr std::string_view kAnthropicWhole =
    R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text",)"
    R"("text":"Hello"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}})";

std::string ollama_line(std::uint64_t prompt_tokens) {
    return fmt::format(
        R"({{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{{"role":"assistant",)"
        R"("content":"Hello"}},"done":true,"done_reason":"stop","prompt_eval_count":{},)"
        R"("eval_count":2}})"
        "\n",
        prompt_tokens
    );
}

// Words, no run of one character: 8000 of them are 1000 tokens by the most generous measure.
std::string long_prompt(std::size_t characters) {
    std::string text;
    while (text.size() < characters) {
        text += "abcdefg ";
    }
    return text;
}

std::string request_with(const std::string& prompt, const std::string& members = {}) {
    return fmt::format(
        R"({{"model":"m","messages":[{{"role":"user","content":"{}"}}]{}}})", prompt, members
    );
}

TEST_F(AnswerFields, ServerTimingTellsNovasPartAndTheProviders) {
    install(serving(1));
    run([&]() -> Task<void> {
        for (const std::string_view more : {"", R"(,"stream":true)"}) {
            const auto answer = co_await ask_chat(std::string{more});
            const std::string_view timing = answer.header("server-timing");
            EXPECT_TRUE(timing.starts_with("nova;dur=")) << timing;
            EXPECT_NE(timing.find(", upstream;dur="), std::string_view::npos) << timing;
        }
        install(known());
        const auto refused = co_await ask_chat("");
        EXPECT_TRUE(refused.header("server-timing").ends_with("upstream;dur=0.00"))
            << refused.header("server-timing");
    });
}

TEST_F(AnswerFields, WhatAProviderTookIsNotNovas) {
    answer_ = [this](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        co_await clock_.sleep_for(std::chrono::milliseconds{60});
        (void)co_await exchange.respond(200, "application/json", "{}");
    };
    install(serving(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask_chat("");
        const std::string timing{answer.header("server-timing")};
        const auto number = [&timing](std::string_view behind) {
            return std::stod(timing.substr(timing.find(behind) + behind.size()));
        };
        EXPECT_GE(number("upstream;dur="), 60.0) << timing;
        EXPECT_GE(number("nova;dur="), 0.0) << timing;
    });
    EXPECT_GE(heard_.all.size(), 1U);
}

TEST_F(AnswerFields, WhatATranslationCannotSayIsNamed) {
    says(1, "application/json", std::string{kAnthropicWhole});
    install(only(anthropic(1)));
    run([&]() -> Task<void> {
        auto answer = co_await ask_chat(R"(,"logit_bias":{"1":2},"n":1,"seed":5)");
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("x-nova-left-out"), "logit_bias, seed");
        answer = co_await ask_chat(R"(,"temperature":0.5)");
        EXPECT_EQ(answer.header("x-nova-left-out"), "") << "nothing was";
        answer = co_await ask_chat(R"(,"a\r\nX-Evil: 1":true)");
        EXPECT_EQ(answer.header("x-nova-left-out"), "a__X-Evil__1");
        EXPECT_EQ(answer.header("x-evil"), "");
        std::string many;
        for (int i = 0; i < 100; ++i) {
            many += fmt::format(",\"member_{}\":1", i);
        }
        answer = co_await ask_chat(many);
        EXPECT_LE(answer.header("x-nova-left-out").size(), 256U);
        EXPECT_TRUE(answer.header("x-nova-left-out").ends_with(", ..."));
    });
}

TEST_F(AnswerFields, WhatOllamaHasNoWordForIsNamed) {
    says(1, "application/json", ollama_line(30));
    install(on_ollama(1));
    run([&]() -> Task<void> {
        const auto answer = co_await ask_chat(
            R"(,"user":"u","logit_bias":{},"tool_choice":"required","num_ctx":512,"tools":[)"
            R"({"type":"function","function":{"name":"f","parameters":{}}}])"
        );
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("x-nova-left-out"), "logit_bias, tool_choice, user");
    });
}

TEST_F(AnswerFields, AMemberThatAProviderOfTheSameDialectWouldRefuseIsNamedToo) {
    auto strict = cloud(1);
    strict->options.unsupported = {"logit_bias", "seed"};
    install(only(strict));
    run([&]() -> Task<void> {
        const auto answer = co_await ask_chat(R"(,"logit_bias":{})");
        EXPECT_EQ(answer.header("x-nova-left-out"), "logit_bias");
        EXPECT_EQ(asked_.find("logit_bias"), std::string::npos);
    });
}

TEST_F(AnswerFields, APromptThatOllamaCutIsToldInTheHead) {
    says(1, "application/json", ollama_line(256));
    install(on_ollama(1));
    run([&]() -> Task<void> {
        auto answer = co_await ask(post("/v1/chat/completions", request_with(long_prompt(8000))));
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("x-nova-truncated"), "prompt");
        EXPECT_TRUE(last().prompt_cut);
        answer = co_await ask(post("/v1/chat/completions", request_with("short")));
        EXPECT_EQ(answer.header("x-nova-truncated"), "");
        EXPECT_FALSE(last().prompt_cut);
    });
}

TEST_F(AnswerFields, OfAStreamItIsKnownWhenTheHeadHasLeftAndGoesToTheRecord) {
    says(1, "application/x-ndjson", ollama_line(256));
    install(on_ollama(1));
    run([&]() -> Task<void> {
        const std::string prompt = long_prompt(8000);
        auto answer =
            co_await ask(post("/v1/chat/completions", request_with(prompt, R"(,"stream":true)")));
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("x-nova-truncated"), "");
        EXPECT_TRUE(last().prompt_cut);
        // An Ollama client's bytes pass through, and are read once more for this only.
        answer = co_await ask(post("/api/chat", request_with(prompt)));
        EXPECT_TRUE(last().prompt_cut);
        // Where the client says how much room there is, it is known before.
        answer =
            co_await ask(post("/api/chat", request_with(prompt, R"(,"options":{"num_ctx":512})")));
        EXPECT_EQ(answer.header("x-nova-truncated"), "prompt");
        EXPECT_TRUE(last().prompt_cut);
    });
}

TEST_F(AnswerFields, AnErrorThatQuotesTheKeyIsToldWithoutIt) {
    constexpr std::string_view kKey = "own-canary-27182818";
    log_.redactor().add_secret("other-canary-14142135");
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::string quote = fmt::format(
            R"({{"error":{{"message":"{0} {0} other-canary-14142135 bad","code":"c"}}}})", kKey
        );
        const bool fails = exchange.parameter("number") == "1";
        (void)co_await exchange.respond(fails ? 400 : 200, "application/json", quote);
    };
    for (const int number : {1, 2}) {  // as an error, and as an error inside a 200
        auto quoting = cloud(number);
        quoting->auth_header_name = "Authorization";
        quoting->auth_header_value = Secret{"Bearer " + std::string{kKey}};
        install(only(quoting));
        run([&]() -> Task<void> {
            const auto answer = co_await ask_chat("");
            EXPECT_GE(answer.status, 400);
            EXPECT_NE(answer.body.find(" bad"), std::string::npos) << answer.body;
            EXPECT_EQ(answer.body.find("27182818"), std::string::npos) << answer.body;
            EXPECT_EQ(answer.body.find("14142135"), std::string::npos) << answer.body;
        });
    }
}

// The bytes of a stream pass through, but not those.
TEST_F(AnswerFields, AnErrorInsideAStreamIsToldWithoutTheKey) {
    constexpr std::string_view kKey = "own-canary-27182818";
    const std::string content = R"({"choices":[{"index":0,"delta":{"content":"own"}}]})";
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const net::HeaderView type{"Content-Type", "text/event-stream"};
        exchange.begin(200, {&type, 1}, std::nullopt);
        const std::string text = fmt::format(
            "data: {}\n\ndata: {}\n\ndata: {{\"error\":{{\"message\":\"{} is bad\"}}}}\n\n",
            content, content, kKey
        );
        // Cut in the middle of the word that gives it away.
        const auto cut = text.find("rror\"");
        (void)co_await exchange.write(std::string_view{text}.substr(0, cut));
        (void)co_await exchange.write(std::string_view{text}.substr(cut));
        (void)co_await exchange.end();
    };
    auto quoting = cloud(1);
    quoting->auth_header_name = "Authorization";
    quoting->auth_header_value = Secret{"Bearer " + std::string{kKey}};
    install(only(quoting));
    run([&]() -> Task<void> {
        const auto answer = co_await ask_chat(R"(,"stream":true)");
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_NE(answer.body.find(content), std::string::npos) << answer.body;
        EXPECT_NE(answer.body.find(" is bad"), std::string::npos) << answer.body;
        EXPECT_EQ(answer.body.find("27182818"), std::string::npos) << answer.body;
    });
}

TEST_F(AnswerFields, NobodyElseIsSuspectedOfCutting) {
    says(
        1, "application/json", R"({"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}})"
    );
    install(serving(1));
    run([&]() -> Task<void> {
        const auto answer =
            co_await ask(post("/v1/chat/completions", request_with(long_prompt(8000))));
        EXPECT_EQ(answer.header("x-nova-truncated"), "");
        EXPECT_FALSE(last().prompt_cut);
    });
}

}  // namespace
}  // namespace nova::gateway

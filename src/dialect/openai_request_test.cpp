// OpenAI chat requests: what is read, what is kept, what is written.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/openai_request.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;

ChatRequest read(std::string_view body) {
    auto request = openai::read_request(body);
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(*request) : ChatRequest{};
}

std::string refusal(std::string_view body) {
    const auto request = openai::read_request(body);
    return request ? "accepted" : request.error().message;
}

J rewritten(std::string_view body, const WriteOptions& options = {}) {
    return J::parse(openai::write_request(read(body), options));
}

constexpr std::string_view kHello = R"({"model":"m","messages":[{"role":"user","content":"hi"}])";

std::string hello_with(std::string_view members) {
    return std::string{kHello} + "," + std::string{members} + "}";
}

TEST(OpenAiRequest, WhatIsReadIsWritten) {
    constexpr std::string_view kBody = R"({"model":"m","messages":[
        {"role":"developer","content":"be brief"},
        {"role":"user","content":[{"type":"text","text":"what?"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},
            {"type":"input_audio","input_audio":{"data":"x","format":"wav"}}]},
        {"role":"assistant","content":null,"tool_calls":[
            {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"b\":1,\"a\":2}"}}]},
        {"role":"tool","tool_call_id":"c1","content":"42"}],
        "tools":[{"type":"function","function":{"name":"f","description":"d",
            "parameters":{"type":"object","properties":{"z":{},"a":{}}},"strict":true}}],
        "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,
        "stream":false,"max_tokens":5,"temperature":0.5,"seed":9007199254740993,"stop":["a","b"],
        "response_format":{"type":"json_schema","json_schema":{"name":"n",
            "schema":{"type":"object"},
            "strict":true}},"reasoning_effort":"low","user":"u","metadata":{"k":"v"},
        "service_tier":"flex","chat_template_kwargs":{"x":1}})";
    EXPECT_EQ(rewritten(kBody), J::parse(kBody));
}

TEST(OpenAiRequest, TheNewerWordForTheLimitWins) {
    EXPECT_EQ(read(hello_with(R"("max_tokens":5,"max_completion_tokens":9)")).max_tokens, 9);
    EXPECT_EQ(
        rewritten(
            hello_with(R"("max_tokens":5)"), {.max_completion_tokens = true}
        )["max_completion_tokens"],
        5
    );
}

TEST(OpenAiRequest, NullIsAsGoodAsMissing) {
    const ChatRequest request =
        read(hello_with(R"("stream":null,"stop":null,"tools":null,"logprobs":null)"));
    EXPECT_FALSE(request.stream);
    EXPECT_TRUE(request.stop.empty());
}

TEST(OpenAiRequest, ArgumentsComeInManyShapes) {
    const auto call = [](std::string_view arguments) {
        const std::string body =
            R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c",)"
            R"("function":{"name":"f","arguments":)" +
            std::string{arguments} + "}}]}]}";
        return read(body).messages.at(0).tool_calls.at(0).arguments;
    };
    EXPECT_EQ(call(R"({"b":1,"a":2})"), R"({"b":1,"a":2})");
    EXPECT_EQ(call(R"("")"), "{}");
    EXPECT_EQ(call("null"), "{}");
    EXPECT_EQ(call(R"("\"{\\\"a\\\":1}\"")"), R"({"a":1})");
    EXPECT_EQ(call(R"("not json")"), "not json");
}

TEST(OpenAiRequest, FunctionsOfOldBecomeTools) {
    const ChatRequest request =
        read(hello_with(R"("functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"})"
        ));
    ASSERT_EQ(request.tools.size(), 1U);
    ASSERT_TRUE(request.tool_choice.has_value());
    EXPECT_EQ(request.tool_choice->function, "f");
}

TEST(OpenAiRequest, UsageIsAskedForOnlyInAStream) {
    EXPECT_FALSE(rewritten(hello_with(R"("stream":false)")).contains("stream_options"));
    EXPECT_EQ(
        rewritten(hello_with(R"("stream":true)"))["stream_options"], J({{"include_usage", true}})
    );
    EXPECT_FALSE(rewritten(hello_with(R"("stream":true)"), {.include_usage = false})
                     .contains("stream_options"));
}

TEST(OpenAiRequest, ReasoningIsReplayedOnlyWhereItIsWanted) {
    constexpr std::string_view kBody =
        R"({"model":"m","messages":[{"role":"assistant","content":"a","reasoning":"r"}]})";
    EXPECT_EQ(rewritten(kBody, {.send_reasoning = true})["messages"][0]["reasoning_content"], "r");
    EXPECT_FALSE(rewritten(kBody)["messages"][0].contains("reasoning_content"));
}

TEST(OpenAiRequest, DefaultsLieBelowAndUnknownWordsGo) {
    WriteOptions options;
    options.model = "theirs";
    options.defaults = {{"temperature", "0.2"}, {"seed", "7"}};
    options.unsupported = {"user"};
    const J out = rewritten(hello_with(R"("temperature":1,"user":"u")"), options);
    EXPECT_EQ(out["model"], "theirs");
    EXPECT_EQ(out["temperature"], 1);
    EXPECT_EQ(out["seed"], 7);
    EXPECT_FALSE(out.contains("user"));
}

TEST(OpenAiRequest, SaysWhatIsWrong) {
    EXPECT_EQ(refusal("{"), "The body is not valid JSON, or nests deeper than 128 levels.");
    EXPECT_EQ(refusal("[]"), "The body must be a JSON object.");
    EXPECT_EQ(refusal(R"({"messages":[]})"), "model is missing.");
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[]})"),
        "messages must be a list with at least one message."
    );
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[{"role":"king"}]})"),
        "messages[0].role must be system, developer, user, assistant or tool, not `king`."
    );
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[{"role":"user","content":5}]})"),
        "messages[0].content must be a string or a list of parts."
    );
    EXPECT_EQ(refusal(hello_with(R"("stop":[1])")), "stop must be a string or a list of strings.");
    EXPECT_EQ(refusal(hello_with(R"("max_tokens":"5")")), "max_tokens must be a whole number.");
    EXPECT_EQ(refusal(hello_with(R"("max_tokens":1e300)")), "max_tokens must be a whole number.");
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{}]}]})"),
        "messages[0].tool_calls[0].function is missing."
    );
    const std::string deep = std::string(200, '[') + std::string(200, ']');
    EXPECT_EQ(refusal(deep), "The body is not valid JSON, or nests deeper than 128 levels.");
}

}  // namespace
}  // namespace nova::dialect

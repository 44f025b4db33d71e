// Anthropic's requests: what is read, what is kept, what is written.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/anthropic_request.hpp"
#include "dialect/openai_request.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;
using Names = std::vector<std::string>;

ChatRequest read(std::string_view body) {
    auto request = anthropic::read_request(body);
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(*request) : ChatRequest{};
}

std::string refusal(std::string_view body) {
    const auto request = anthropic::read_request(body);
    return request ? "accepted" : request.error().message;
}

J written(const ChatRequest& request, const WriteOptions& options = {}) {
    const auto body = anthropic::write_request(request, options);
    EXPECT_TRUE(body) << (body ? "" : body.error().message);
    return body ? J::parse(*body) : J{};
}

// What an OpenAI client asks for with these members beside a greeting.
ChatRequest asking(std::string_view members) {
    auto request = openai::read_request(
        R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string{members} + "}"
    );
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(*request) : ChatRequest{};
}

std::string own_with(std::string_view members) {
    return R"({"model":"m","max_tokens":9,"stream":false,"messages":[{"role":"user",)"
           R"("content":"hi"}])" +
           std::string{members} + "}";
}

TEST(AnthropicRequest, WhatIsReadIsWritten) {
    const std::string bodies[] = {
        own_with(""),
        own_with(R"(,"system":"be brief","temperature":0.5,"top_p":0.25,"top_k":4)"),
        own_with(R"(,"system":[{"type":"text","text":"a"},{"type":"text","text":"b",)"
                 R"("cache_control":{"type":"ephemeral"}}])"),
        own_with(R"(,"stop_sequences":["a","b"],"metadata":{"user_id":"u"},"service_tier":"auto")"),
        own_with(R"(,"tools":[{"name":"f","description":"d","input_schema":{"type":"object",)"
                 R"("properties":{"z":{},"a":{}}},"strict":true,)"
                 R"("cache_control":{"type":"ephemeral","ttl":"1h"}}],)"
                 R"("tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true})"),
        own_with(R"(,"tools":[{"name":"f","input_schema":{"type":"object"}}],)"
                 R"("tool_choice":{"type":"any"})"),
        own_with(R"(,"tools":[{"name":"f","input_schema":{"type":"object"}}],)"
                 R"("tool_choice":{"type":"none"})"),
        own_with(R"(,"thinking":{"type":"disabled"})"),
        own_with(R"(,"thinking":{"type":"adaptive"},"output_config":{"effort":"max","format":)"
                 R"({"type":"json_schema","schema":{"type":"object"}}})"),
        R"({"model":"m","max_tokens":9000,"stream":true,"messages":[{"role":"user","content":"hi"}],
            "thinking":{"type":"enabled","budget_tokens":2000}})",
        R"({"model":"m","max_tokens":5,"stream":true,"messages":[
            {"role":"user","content":[{"type":"text","text":"what?"},
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}},
                {"type":"image","source":{"type":"url","url":"https://x/y.png"}},
                {"type":"document","source":{"type":"text","data":"d"},
                    "cache_control":{"type":"ephemeral"}}]},
            {"role":"assistant","content":[
                {"type":"thinking","thinking":"hm","signature":"s"},
                {"type":"redacted_thinking","data":"only theirs"},
                {"type":"thinking","thinking":"and on","signature":"s2"},
                {"type":"text","text":"I look."},
                {"type":"tool_use","id":"t1","name":"f","input":{"b":1,"a":2}},
                {"type":"tool_use","id":"t2","name":"g","input":{}}]},
            {"role":"user","content":[
                {"type":"tool_result","tool_use_id":"t1","content":"42"},
                {"type":"tool_result","tool_use_id":"t2","is_error":true,
                    "content":[{"type":"text","text":"no"},
                        {"type":"image","source":{"type":"url","url":"https://x/z.png"}}]},
                {"type":"text","text":"and?"}]}]})",
    };
    for (const std::string& body : bodies) {
        EXPECT_EQ(written(read(body)), J::parse(body)) << body;
    }
}

TEST(AnthropicRequest, KeepsTheOrderOfMembersInArguments) {
    const ChatRequest request =
        read(R"({"model":"m","messages":[{"role":"assistant","content":[)"
             R"({"type":"tool_use","id":"t","name":"f","input":{"z":1,"a":{"y":2,"b":3}}}]}]})");
    EXPECT_EQ(request.messages.at(0).tool_calls.at(0).arguments, R"({"z":1,"a":{"y":2,"b":3}})");
}

TEST(AnthropicRequest, WhatOnlyAnthropicCanDoIsNamed) {
    const ChatRequest request = read(
        R"({"model":"m","tools":[{"type":"web_search_20250305","name":"web_search"}],"messages":[)"
        R"({"role":"assistant","content":[{"type":"redacted_thinking","data":"x"},)"
        R"({"type":"text","text":"a"}]}]})"
    );
    EXPECT_EQ(request.dropped, Names{"tools[0]"});
    ASSERT_EQ(request.messages.at(0).thoughts.size(), 1U);
    EXPECT_EQ(request.messages[0].thoughts[0].redacted, "x");
    EXPECT_EQ(openai_codec().left_out(request, {}), Names{"messages.reasoning_details"});
    EXPECT_TRUE(request.tools.empty());
    EXPECT_EQ(request.messages.at(0).content.size(), 1U);
}

TEST(AnthropicRequest, SaysWhatIsWrong) {
    EXPECT_EQ(refusal("[]"), "The body must be a JSON object.");
    EXPECT_EQ(refusal(R"({"model":"m"})"), "messages must be a list with at least one message.");
    EXPECT_EQ(refusal(R"({"messages":[{"role":"user","content":"a"}]})"), "model is missing.");
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[{"role":"king","content":"a"}]})"),
        "messages[0].role must be user, assistant or system, not `king`."
    );
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[{"role":"user"}]})"),
        "messages[0].content must be a string or a list of blocks."
    );
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":5}]}]})"
        ),
        "messages[0].content[0].text must be a string."
    );
    EXPECT_EQ(
        refusal(R"({"model":"m","messages":[{"role":"user","content":[{"type":"tool_result"}]}]})"),
        "messages[0].content[0].tool_use_id is missing."
    );
    EXPECT_EQ(
        refusal(own_with(R"(,"tool_choice":{"type":"some"})")),
        "tool_choice.type must be auto, any, tool or none."
    );
    EXPECT_EQ(
        refusal(own_with(R"(,"stop_sequences":[1])")), "stop_sequences must be a list of strings."
    );
    EXPECT_EQ(
        refusal(own_with(R"(,"thinking":{"type":"enabled","budget_tokens":"5"})")),
        "thinking.budget_tokens must be a whole number."
    );
    EXPECT_EQ(refusal(own_with(R"(,"system":5)")), "system must be a string or a list of blocks.");
}

TEST(AnthropicRequest, TheLimitItDemandsIsThere) {
    EXPECT_EQ(written(asking(""))["max_tokens"], 4096);
    EXPECT_EQ(written(asking(""), {.default_max_tokens = 77})["max_tokens"], 77);
    EXPECT_EQ(written(asking(R"(,"max_completion_tokens":5)"))["max_tokens"], 5);
    EXPECT_EQ(written(asking(R"(,"max_tokens":-1)"))["max_tokens"], 4096);
}

TEST(AnthropicRequest, SamplingStaysWithinItsBounds) {
    EXPECT_EQ(written(asking(R"(,"temperature":1.7)"))["temperature"], 1.0);
    EXPECT_EQ(written(asking(R"(,"temperature":0.3)"))["temperature"], 0.3);
    const ChatRequest both = asking(R"(,"temperature":0.3,"top_p":0.9)");
    EXPECT_FALSE(written(both).contains("top_p"));
    EXPECT_EQ(anthropic::left_out(both, {}), Names{"top_p"});
    EXPECT_EQ(written(asking(R"(,"top_p":0.9)"))["top_p"], 0.9);
    const ChatRequest blank = asking(R"(,"stop":["\n","x"])");
    EXPECT_EQ(written(blank)["stop_sequences"], J({"x"}));
    EXPECT_EQ(anthropic::left_out(blank, {}), Names{"stop"});
}

TEST(AnthropicRequest, NamesWhatItCannotSay) {
    const ChatRequest request = asking(
        R"(,"seed":1,"n":2,"logit_bias":{"1":1},"presence_penalty":0,"frequency_penalty":0.5,)"
        R"("min_p":0.1,"metadata":{"a":"b"},"response_format":{"type":"json_object"},)"
        R"("logprobs":true,"tools":[{"type":"function","function":{"name":"f","strict":true}}])"
    );
    EXPECT_EQ(
        anthropic::left_out(request, {}),
        (Names{
            "n", "logit_bias", "min_p", "frequency_penalty", "seed", "metadata", "logprobs",
            "response_format", "tools.strict"
        })
    );
    const J out = written(request);
    for (const std::string& name : anthropic::left_out(request, {})) {
        EXPECT_FALSE(out.contains(name)) << name;
    }
    EXPECT_EQ(anthropic::left_out(asking(R"(,"temperature":0.5)"), {}), Names{});
}

TEST(AnthropicRequest, RefusesWhatItMustNotDrop) {
    const auto refused = anthropic::write_request(
        [] {
            ChatRequest request = asking("");
            request.suffix = "}";
            return request;
        }(),
        {}
    );
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unprocessable);
    const auto audio = openai::read_request(
        R"({"model":"m","messages":[{"role":"user","content":[{"type":"input_audio"}]}]})"
    );
    ASSERT_TRUE(audio);
    const auto unheard = anthropic::write_request(*audio, {});
    ASSERT_FALSE(unheard);
    EXPECT_EQ(unheard.error().code, ErrorCode::unprocessable);
}

TEST(AnthropicRequest, EffortBecomesABudgetWithRoomForIt) {
    const J thinking = written(asking(R"(,"reasoning_effort":"medium")"));
    EXPECT_EQ(thinking["thinking"], J({{"type", "enabled"}, {"budget_tokens", 8192}}));
    EXPECT_EQ(thinking["max_tokens"], 8192 + 4096);
    const J limited = written(asking(R"(,"reasoning_effort":"high","max_tokens":6000)"));
    EXPECT_EQ(limited["thinking"]["budget_tokens"], 3000);
    EXPECT_EQ(limited["max_tokens"], 6000);
    EXPECT_FALSE(written(asking(R"(,"reasoning_effort":"none")")).contains("thinking"));
}

TEST(AnthropicRequest, DoesNotThinkWhereThatWouldBeRefused) {
    const std::string_view tools =
        R"(,"tools":[{"type":"function","function":{"name":"f"}}],"reasoning_effort":"low")";
    const ChatRequest requests[] = {
        asking(R"(,"reasoning_effort":"low","max_tokens":1500)"),
        asking(std::string{tools} + R"(,"tool_choice":"required")"),
        [&] {
            ChatRequest request = asking(tools);
            Message call;
            call.role = Role::assistant;
            call.tool_calls.push_back({.id = "c", .name = "f", .arguments = "{}"});
            Message result;
            result.role = Role::tool;
            result.tool_call_id = "c";
            request.messages.push_back(call);
            request.messages.push_back(result);
            return request;
        }(),
    };
    for (const ChatRequest& request : requests) {
        EXPECT_FALSE(written(request).contains("thinking"));
        EXPECT_EQ(anthropic::left_out(request, {}), Names{"reasoning_effort"});
    }
    const ChatRequest warm = asking(R"(,"reasoning_effort":"low","temperature":0.2,"top_k":3)");
    EXPECT_TRUE(written(warm).contains("thinking"));
    EXPECT_FALSE(written(warm).contains("temperature"));
    EXPECT_EQ(anthropic::left_out(warm, {}), (Names{"temperature", "top_k"}));
}

TEST(AnthropicRequest, SchemasAndToolsFindTheirWords) {
    const J out =
        written(asking(R"(,"response_format":{"type":"json_schema","json_schema":{"name":"n",)"
                       R"("schema":{"type":"object"}}},"parallel_tool_calls":false,"user":"u",)"
                       R"("tools":[{"type":"function","function":{"name":"f"}}])"));
    EXPECT_EQ(
        out["output_config"]["format"],
        J({{"type", "json_schema"}, {"schema", {{"type", "object"}}}})
    );
    EXPECT_EQ(out["tools"][0], J({{"name", "f"}, {"input_schema", {{"type", "object"}}}}));
    EXPECT_EQ(out["tool_choice"], J({{"type", "auto"}, {"disable_parallel_tool_use", true}}));
    EXPECT_EQ(out["metadata"], J({{"user_id", "u"}}));
}

TEST(AnthropicRequest, ProvidersDefaultsAndGapsCount) {
    WriteOptions options;
    options.model = "theirs";
    options.defaults = {{"max_tokens", "50"}, {"temperature", "0.1"}, {"betas", "[\"x\"]"}};
    options.unsupported = {"user"};
    const ChatRequest request = asking(R"(,"temperature":0.9,"user":"u")");
    const J out = written(request, options);
    EXPECT_EQ(out["model"], "theirs");
    EXPECT_EQ(out["max_tokens"], 50);
    EXPECT_EQ(out["temperature"], 0.9);
    EXPECT_EQ(out["betas"], J({"x"}));
    EXPECT_FALSE(out.contains("metadata"));
    EXPECT_EQ(anthropic::left_out(request, options), Names{"user"});
}

}  // namespace
}  // namespace nova::dialect

// What Ollama is asked, row by row of the table in reference/engines-and-tools.md 1.8.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/codec.hpp"
#include "dialect/ollama_request.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::ordered_json;

ChatRequest from_openai(std::string_view members) {
    auto request = openai_codec().read_request(R"({"model":"m",)" + std::string{members} + "}");
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(*request) : ChatRequest{};
}

J asked(const ChatRequest& request, const WriteOptions& options = {}) {
    const auto body = ollama::write_request(request, options);
    EXPECT_TRUE(body) << (body ? "" : body.error().message);
    return body ? J::parse(*body) : J{};
}

J asked(std::string_view members, const WriteOptions& options = {}) {
    return asked(from_openai(members), options);
}

constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"hi"}])";

std::string hi(std::string_view members) {
    return std::string{kHi} + "," + std::string{members};
}

struct Row {
    std::string_view name;
    std::string_view said;     // behind the message
    std::string_view pointer;  // into what Ollama is asked
    std::string_view value;    // JSON; empty: it is not there
};

constexpr Row kRows[] = {
    {"stream is always said", R"("user":"u")", "/stream", "false"},
    {"a stream is a stream", R"("stream":true)", "/stream", "true"},
    {"the limit", R"("max_tokens":5)", "/options/num_predict", "5"},
    {"the newer limit wins", R"("max_tokens":5,"max_completion_tokens":9)", "/options/num_predict",
     "9"},
    {"no options where nothing is said", R"("user":"u")", "/options", ""},
    {"temperature", R"("temperature":0.5)", "/options/temperature", "0.5"},
    {"a 64-bit seed", R"("seed":9007199254740993)", "/options/seed", "9007199254740993"},
    {"min_p", R"("min_p":0.1)", "/options/min_p", "0.1"},
    {"repetition_penalty", R"("repetition_penalty":1.5)", "/options/repeat_penalty", "1.5"},
    {"one stop becomes a list", R"("stop":"a")", "/options/stop", R"(["a"])"},
    {"a list of stops stays", R"("stop":["a","b"])", "/options/stop", R"(["a","b"])"},
    {"an object as format", R"("response_format":{"type":"json_object"})", "/format", R"("json")"},
    {"a schema without its wrapper",
     R"("response_format":{"type":"json_schema","json_schema":{"name":"n",)"
     R"("schema":{"b":1,"a":2}}})",
     "/format", R"({"b":1,"a":2})"},
    {"text is no format", R"("response_format":{"type":"text"})", "/format", ""},
    {"effort none", R"("reasoning_effort":"none")", "/think", "false"},
    {"effort minimal", R"("reasoning_effort":"minimal")", "/think", R"("low")"},
    {"effort medium", R"("reasoning_effort":"medium")", "/think", R"("medium")"},
    {"effort xhigh, which 0.17.4 refuses", R"("reasoning_effort":"xhigh")", "/think", R"("high")"},
    {"an effort nobody knows", R"("reasoning_effort":"heroic")", "/think", ""},
    {"thinking is the model's choice", R"("user":"u")", "/think", ""},
    {"what Ollama has no word for", R"("user":"u","metadata":{},"logit_bias":{})", "/user", ""},
};

TEST(OllamaRequestWriter, SaysItInOllamasWords) {
    for (const Row& row : kRows) {
        const J body = asked(hi(row.said));
        const J::json_pointer pointer{std::string{row.pointer}};
        ASSERT_EQ(body.contains(pointer), !row.value.empty()) << row.name << body.dump();
        if (!row.value.empty()) {
            EXPECT_EQ(body[pointer].dump(), row.value) << row.name;
        }
    }
}

TEST(OllamaRequestWriter, TextAndImagesStayOneMessage) {
    const J body = asked(
        R"("messages":[{"role":"developer","content":"be brief"},{"role":"user","content":[)"
        R"({"type":"text","text":"a"},)"
        R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},)"
        R"({"type":"text","text":"b"},{"type":"input_audio","input_audio":{"data":"BBBB"}}]}])"
    );
    EXPECT_EQ(body["messages"], J::parse(R"([{"role":"system","content":"be brief"},
        {"role":"user","content":"a\nb","images":["AAAA","BBBB"]}])"));
}

TEST(OllamaRequestWriter, ToolResultsFindTheirName) {
    const J body = asked(
        R"("messages":[{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[)"
        R"({"id":"c1","type":"function","function":{"name":"f","arguments":"{\"b\":1,\"a\":2}"}},)"
        R"({"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},)"
        R"({"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"42"}]}])"
    );
    EXPECT_EQ(
        body["messages"].dump(), J::parse(R"([{"role":"assistant","content":"",
        "thinking":"hm","tool_calls":[
        {"id":"c1","function":{"index":0,"name":"f","arguments":{"b":1,"a":2}}},
        {"id":"c2","function":{"index":1,"name":"g","arguments":{}}}]},
        {"role":"tool","content":"42","tool_name":"g","tool_call_id":"c2"}])")
                                     .dump()
    );
}

TEST(OllamaRequestWriter, AChoiceOfToolsIsSaidByTheTools) {
    constexpr std::string_view kTools =
        R"("tools":[{"type":"function","function":{"name":"f","parameters":{}}},)"
        R"({"type":"function","function":{"name":"g","parameters":{}}}],"tool_choice":)";
    const auto tools = [&](std::string_view choice) {
        return asked(hi(std::string{kTools} + std::string{choice}))["tools"];
    };
    EXPECT_EQ(tools(R"("auto")").size(), 2U);
    EXPECT_EQ(tools(R"("required")").size(), 2U);
    EXPECT_TRUE(tools(R"("none")").is_null());
    const J one = tools(R"({"type":"function","function":{"name":"g"}})");
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one[0]["function"]["name"], "g");
}

TEST(OllamaRequestWriter, DefaultsLieBelowTheRequest) {
    WriteOptions options;
    options.model = "theirs";
    options.defaults = {
        {"temperature", "0.1"}, {"top_p", "0.2"},         {"num_ctx", "4096"},  {"num_gpu", "0"},
        {"top_p", "0.3"},       {"keep_alive", "\"9m\""}, {"stop", R"(["z"])"},
    };
    ChatRequest request = from_openai(hi(R"("temperature":1.0,"max_tokens":5)"));
    J body = asked(request, options);
    EXPECT_EQ(body["model"], "theirs");
    EXPECT_EQ(body["options"]["temperature"], 1.0);
    EXPECT_EQ(body["options"]["top_p"], 0.3);  // the route's, over the model's
    EXPECT_EQ(body["options"]["num_ctx"], 4096);
    EXPECT_EQ(body["options"]["num_gpu"], 0);
    EXPECT_EQ(body["options"]["stop"], J({"z"}));
    EXPECT_EQ(body["keep_alive"], "9m");
    request.context = 8192;
    request.keep_alive = "-1";
    body = asked(request, options);
    EXPECT_EQ(body["options"]["num_ctx"], 8192);
    EXPECT_EQ(body["keep_alive"], -1);
}

TEST(OllamaRequestWriter, WhatAProviderDoesNotTakeIsLeftOut) {
    WriteOptions options;
    options.unsupported = {"max_tokens", "reasoning_effort", "response_format", "tools", "seed"};
    const J body = asked(
        hi(R"("max_tokens":5,"seed":1,"top_p":0.5,"reasoning_effort":"low",)"
           R"("response_format":{"type":"json_object"},)"
           R"("tools":[{"type":"function","function":{"name":"f"}}])"),
        options
    );
    EXPECT_EQ(body["options"], J({{"top_p", 0.5}}));
    EXPECT_FALSE(body.contains("think") || body.contains("format") || body.contains("tools"));
}

TEST(OllamaRequestWriter, ACompletionGoesToGenerate) {
    auto request = ollama::read_generate(
        R"({"model":"m","prompt":"a","system":"s","images":["/9j/"],"stream":false})"
    );
    ASSERT_TRUE(request);
    EXPECT_EQ(
        asked(*request).dump(), J::parse(R"({"model":"m","prompt":"a","system":"s",
        "images":["/9j/"],"stream":false})")
                                    .dump()
    );
    request->raw = true;
    EXPECT_EQ(asked(*request)["raw"], true);
    request->suffix = "z";
    EXPECT_FALSE(asked(*request).contains("raw"));  // the model's template fills the gap
    EXPECT_EQ(asked(*request)["suffix"], "z");
}

TEST(OllamaRequestWriter, ClientsMaySayOllamasOwnWords) {
    const J body = asked(
        hi(R"("temperature":0.5,"keep_alive":0,"think":true,"num_ctx":4096,)"
           R"("options":{"num_gpu":1,"temperature":0.7},"service_tier":"flex")"),
        {.defaults = {{"num_ctx", "2048"}}}
    );
    EXPECT_EQ(body["keep_alive"], 0);
    EXPECT_EQ(body["think"], true);
    EXPECT_EQ(body["options"], J({{"num_ctx", 4096}, {"temperature", 0.7}, {"num_gpu", 1}}));
    EXPECT_FALSE(body.contains("service_tier"));
}

TEST(OllamaRequestWriter, ABudgetForThinkingTurnsItOn) {
    ChatRequest request = from_openai(kHi);
    request.think_budget = 1024;
    EXPECT_EQ(asked(request)["think"], true);
}

struct Refusal {
    std::string_view members;
    ErrorCode code;
    std::string_view sentence;
};

TEST(OllamaRequestWriter, RefusesWhatMustNotBeDroppedSilently) {
    const Refusal rows[] = {
        {R"("messages":[{"role":"user","content":[{"type":"image_url",)"
         R"("image_url":{"url":"https://example.com/a.png"}}]}])",
         ErrorCode::unprocessable,
         "messages[0].content[0] is an address: Ollama does not fetch images."},
        {R"("messages":[{"role":"user","content":[{"type":"image_url",)"
         R"("image_url":{"url":"data:image/png,plain"}}]}])",
         ErrorCode::unprocessable, "messages[0].content[0] holds no base64 data."},
        {R"("messages":[{"role":"user","content":[{"type":"file","file":{}}]}])",
         ErrorCode::unprocessable,
         "messages[0].content[0] is of a kind that Ollama has no word for."},
        {R"("messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f",)"
         R"("arguments":"{oops"}}]}])",
         ErrorCode::invalid_argument,
         "messages[0].tool_calls[0].function.arguments must be the text of a JSON object."},
        {R"("messages":[{"role":"user","content":"a"}],"n":2)", ErrorCode::unprocessable,
         "n: Ollama gives one answer to a request."},
        {R"("messages":[{"role":"user","content":"a"}],"tool_choice":{"type":"function",)"
         R"("function":{"name":"f"}})",
         ErrorCode::invalid_argument, "tool_choice names `f`, which is not among the tools."},
    };
    for (const Refusal& row : rows) {
        const auto body = ollama::write_request(from_openai(row.members), {});
        ASSERT_FALSE(body) << row.members;
        EXPECT_EQ(body.error().code, row.code);
        EXPECT_EQ(body.error().message, row.sentence);
    }
}

}  // namespace
}  // namespace nova::dialect

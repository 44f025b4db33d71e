// What clients of Ollama ask for.
#include <gtest/gtest.h>

#include "dialect/ollama_request.hpp"

namespace nova::dialect {
namespace {

ChatRequest chat(std::string_view members) {
    auto request = ollama::read_chat(R"({"model":"m",)" + std::string{members} + "}");
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(*request) : ChatRequest{};
}

ChatRequest generate(std::string_view members) {
    auto request = ollama::read_generate(R"({"model":"m",)" + std::string{members} + "}");
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(*request) : ChatRequest{};
}

constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"hi"}])";

TEST(OllamaRequestReader, StreamsUnlessToldNotTo) {
    EXPECT_TRUE(chat(kHi).stream);
    EXPECT_FALSE(chat(std::string{kHi} + R"(,"stream":false)").stream);
    EXPECT_TRUE(generate(R"("prompt":"a")").stream);
}

TEST(OllamaRequestReader, OptionsBecomeWhatEverybodyKnows) {
    const ChatRequest request = chat(
        std::string{kHi} +
        R"(,"options":{"num_predict":7,"temperature":0,"top_k":40,"seed":3,"stop":["a"],)"
        R"("num_ctx":4096,"repeat_penalty":1.1,"mirostat":2},"keep_alive":"5m","think":"low")"
    );
    EXPECT_EQ(request.max_tokens, 7);
    EXPECT_EQ(request.temperature, 0);
    EXPECT_EQ(request.top_k, 40);
    EXPECT_EQ(request.seed, 3);
    EXPECT_EQ(request.stop, std::vector<std::string>{"a"});
    EXPECT_EQ(request.context, 4096);
    EXPECT_EQ(request.repeat_penalty, 1.1);
    EXPECT_EQ(request.keep_alive, "\"5m\"");
    EXPECT_EQ(request.effort, "low");
    EXPECT_EQ(request.dropped, std::vector<std::string>{"options.mirostat"});
}

TEST(OllamaRequestReader, NumbersThatMeanNoLimitAreNone) {
    const ChatRequest request =
        chat(std::string{kHi} + R"(,"options":{"num_predict":-1,"seed":-1},"keep_alive":-1)");
    EXPECT_FALSE(request.max_tokens);
    EXPECT_FALSE(request.seed);
    EXPECT_EQ(request.keep_alive, "-1");
}

TEST(OllamaRequestReader, FormatIsAWordOrASchema) {
    EXPECT_EQ(
        chat(std::string{kHi} + R"(,"format":"json")").format->kind,
        ResponseFormat::Kind::json_object
    );
    EXPECT_EQ(
        chat(std::string{kHi} + R"(,"format":{"type":"object"})").format->schema,
        R"({"type":"object"})"
    );
    EXPECT_FALSE(chat(std::string{kHi} + R"(,"format":"")").format);
}

TEST(OllamaRequestReader, ThinkIsAYesOrALevel) {
    EXPECT_EQ(chat(std::string{kHi} + R"(,"think":true)").effort, "medium");
    EXPECT_EQ(chat(std::string{kHi} + R"(,"think":false)").effort, "none");
    EXPECT_FALSE(chat(kHi).effort);
}

TEST(OllamaRequestReader, ImagesGetTheirTypeBack) {
    const ChatRequest request =
        chat(R"("messages":[{"role":"User","content":"what?","images":["/9j/AA","iVBORw0KGgoA",)"
             R"("data:image/webp;base64,BB","zz"]}])");
    const auto& parts = request.messages.at(0).content;
    ASSERT_EQ(parts.size(), 5U);
    EXPECT_EQ(parts[1].image.media_type, "image/jpeg");
    EXPECT_EQ(parts[2].image.media_type, "image/png");
    EXPECT_EQ(parts[3].image.media_type, "image/webp");
    EXPECT_EQ(parts[3].image.base64, "BB");
    EXPECT_EQ(parts[4].image.media_type, "application/octet-stream");
}

TEST(OllamaRequestReader, ToolMessagesFindTheirCalls) {
    const ChatRequest request =
        chat(R"("messages":[{"role":"assistant","content":"","thinking":"hm","tool_calls":[)"
             R"({"function":{"name":"f","arguments":{"b":1,"a":2}}},)"
             R"({"function":{"name":"g","arguments":{}}},{"id":"own","function":{"name":"h"}}]},)"
             R"({"role":"tool","tool_name":"g","content":"G"},{"role":"tool","content":"F"},)"
             R"({"role":"tool","tool_call_id":"own","content":"H"}])");
    const auto& messages = request.messages;
    ASSERT_EQ(messages.size(), 4U);
    EXPECT_EQ(messages[0].reasoning, "hm");
    EXPECT_EQ(messages[0].tool_calls[0].arguments, R"({"b":1,"a":2})");
    EXPECT_EQ(messages[1].tool_call_id, messages[0].tool_calls[1].id);
    EXPECT_EQ(messages[2].tool_call_id, messages[0].tool_calls[0].id);
    EXPECT_EQ(messages[2].name, "f");
    EXPECT_EQ(messages[3].tool_call_id, "own");
    EXPECT_EQ(messages[3].name, "h");
    EXPECT_NE(messages[0].tool_calls[0].id, messages[0].tool_calls[1].id);
}

TEST(OllamaRequestReader, GenerateIsACompletion) {
    const ChatRequest request =
        generate(R"("prompt":"a","system":"be brief","suffix":"z","raw":true,"images":["/9j/"],)"
                 R"("template":"t")");
    EXPECT_TRUE(request.completion);
    EXPECT_TRUE(request.raw);
    EXPECT_EQ(request.suffix, "z");
    ASSERT_EQ(request.messages.size(), 2U);
    EXPECT_EQ(request.messages[0].role, Role::system);
    EXPECT_EQ(request.messages[1].content.size(), 2U);
    EXPECT_EQ(request.dropped, std::vector<std::string>{"template"});
}

TEST(OllamaRequestReader, ARequestMayAskNothing) {
    EXPECT_TRUE(chat(R"("messages":[])").messages.empty());
    EXPECT_TRUE(generate(R"("keep_alive":0)").messages.empty());
    EXPECT_TRUE(generate(R"("prompt":"","system":"x")").messages.empty());
}

struct Refusal {
    std::string_view members;
    std::string_view sentence;
};

TEST(OllamaRequestReader, SaysWhatIsWrong) {
    const Refusal rows[] = {
        {R"("messages":"x")", "messages must be a list."},
        {R"("messages":[{"role":"king","content":"a"}])",
         "messages[0].role must be system, user, assistant or tool, not `king`."},
        {R"("messages":[{"content":"a"}])", "messages[0].role is missing."},
        {R"("messages":[{"role":"user","content":["a"]}])", "messages[0].content must be a string."
        },
        {R"("messages":[{"role":"user","images":[1]}])",
         "messages[0].images[0] must be a string of base64."},
        {R"("messages":[],"options":{"temperature":"x"})", "options.temperature must be a number."},
        {R"("messages":[],"options":{"stop":[1]})",
         "options.stop must be a string or a list of strings."},
        {R"("messages":[],"format":"xml")", "format must be \"json\" or a JSON schema."},
        {R"("messages":[],"keep_alive":true)",
         "keep_alive must be a number of seconds or a text like \"5m\"."},
        {R"("messages":[],"think":1)", "think must be true, false, \"low\", \"medium\" or \"high\"."
        },
    };
    for (const Refusal& row : rows) {
        const auto request = ollama::read_chat(R"({"model":"m",)" + std::string{row.members} + "}");
        ASSERT_FALSE(request) << row.members;
        EXPECT_EQ(request.error().message, row.sentence);
        EXPECT_EQ(request.error().code, ErrorCode::invalid_argument);
    }
    EXPECT_FALSE(ollama::read_chat("[]"));
    EXPECT_FALSE(ollama::read_generate(R"({"prompt":"a"})"));
}

}  // namespace
}  // namespace nova::dialect

// Anthropic's dialect beside OpenAI's: what both can say survives the way there and back.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/codec.hpp"
#include "dialect/dialect_probe.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;

std::string there_and_back(std::string_view body) {
    const auto asked = openai_codec().read_request(body);
    EXPECT_TRUE(asked) << (asked ? "" : asked.error().message);
    const auto there = anthropic_codec().write_request(*asked, {});
    EXPECT_TRUE(there) << (there ? "" : there.error().message);
    const auto heard = anthropic_codec().read_request(*there);
    EXPECT_TRUE(heard) << (heard ? "" : heard.error().message);
    const auto back = openai_codec().write_request(*heard, {.include_usage = false});
    EXPECT_TRUE(back) << (back ? "" : back.error().message);
    return *back;
}

TEST(AnthropicCodec, WhatBothCanSaySurvives) {
    const std::string bodies[] = {
        R"({"model":"m","stream":true,"max_tokens":7,"messages":[{"role":"user","content":"hi"}]})",
        R"({"model":"m","stream":false,"max_tokens":7,"temperature":0.5,"top_k":3,
            "stop":["a","b"],"user":"u","messages":[{"role":"system","content":"s"},
            {"role":"user","content":"hi"},{"role":"assistant","content":"yes?"},
            {"role":"user","content":[{"type":"text","text":"look"},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
                {"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]})",
        R"({"model":"m","stream":false,"max_tokens":9000,"messages":[{"role":"user","content":"q"},
            {"role":"assistant","content":null,"tool_calls":[
                {"id":"a","type":"function",
                    "function":{"name":"f","arguments":"{\"z\":1,\"a\":2}"}},
                {"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"a","content":"1"},
            {"role":"tool","tool_call_id":"b","content":"2"},
            {"role":"user","content":"so?"}],
            "tools":[{"type":"function","function":{"name":"f","description":"d",
                "parameters":{"type":"object","properties":{"z":{},"a":{}}}}}],
            "tool_choice":"auto","parallel_tool_calls":false})",
        R"({"model":"m","stream":false,"max_tokens":100,"messages":[{"role":"user","content":"q"}],
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
            "tool_choice":{"type":"function","function":{"name":"f"}},
            "response_format":{"type":"json_schema","json_schema":{"name":"answer",
                "schema":{"type":"object"}}}})",
        R"({"model":"m","stream":false,"max_tokens":90000,"reasoning_effort":"high",
            "messages":[{"role":"user","content":"q"}]})",
    };
    for (const std::string& body : bodies) {
        EXPECT_EQ(J::parse(there_and_back(body)), J::parse(body)) << body;
    }
}

TEST(AnthropicCodec, WordsOfTheOneDoNotReachTheOther) {
    const auto request = anthropic_codec().read_request(
        R"({"model":"m","container":"c","messages":[{"role":"user","content":[)"
        R"({"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]})"
    );
    ASSERT_TRUE(request);
    const auto sent = openai_codec().write_request(*request, {});
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->find("container"), std::string::npos);
    EXPECT_EQ(sent->find("cache_control"), std::string::npos);
    EXPECT_EQ(
        openai_codec().left_out(*request, {}),
        (std::vector<std::string>{"container", "cache_control"})
    );
    const auto document = anthropic_codec().read_request(
        R"({"model":"m","messages":[{"role":"user","content":[{"type":"document"}]}]})"
    );
    ASSERT_TRUE(document);
    const auto refused = openai_codec().write_request(*document, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unprocessable);
}

TEST(AnthropicCodec, AnswersCrossBothWays) {
    const std::pair<const Codec*, const Codec*> ways[] = {
        {&openai_codec(), &anthropic_codec()},
        {&anthropic_codec(), &openai_codec()},
    };
    const std::vector<ChatEvent> answer{
        Begun{.id = "x", .model = "theirs"},
        ReasoningDelta{.text = "hm", .signature = {}},
        TextDelta{"Hi"},
        ToolCallBegun{.index = 0, .id = "t", .name = "f"},
        ToolArgumentsDelta{.index = 0, .json = "{\"x\":1}"},
        Finished{.reason = FinishReason::tool_calls, .stop_sequence = {}, .raw = {}},
        Usage{.prompt = 9, .completion = 2, .cached = {}, .cache_write = {}, .reasoning = {}},
    };
    const AnswerIdentity identity{.id = "1", .model = "m", .created = 1, .include_usage = true};
    for (const auto& [upstream, client] : ways) {
        for (const bool stream : {true, false}) {
            const auto speak = [&](const Codec& codec, const std::vector<ChatEvent>& events) {
                const auto writer = codec.writer(identity, stream);
                std::string out;
                for (const ChatEvent& event : events) {
                    writer->write(event, out);
                }
                writer->end(out);
                return out;
            };
            const auto there = upstream->reader(stream);
            const auto relayed = events_of(*there, speak(*upstream, answer), 9);
            const auto back = client->reader(stream);
            const std::string heard = in_words(events_of(*back, speak(*client, relayed), 11));
            for (const std::string_view piece :
                 {"begun(m)", "thought(hm) text(Hi) call(0 t f) args(0 {\"x\":1})",
                  "finished(tool_calls)", "usage(9/2)"}) {
                EXPECT_NE(heard.find(piece), std::string::npos) << heard;
            }
        }
    }
}

TEST(AnthropicCodec, ErrorsHaveItsTypes) {
    const std::pair<ErrorCode, std::string_view> rows[] = {
        {ErrorCode::invalid_argument, "invalid_request_error"},
        {ErrorCode::unauthorized, "authentication_error"},
        {ErrorCode::forbidden, "permission_error"},
        {ErrorCode::not_found, "not_found_error"},
        {ErrorCode::too_large, "request_too_large"},
        {ErrorCode::rate_limited, "rate_limit_error"},
        {ErrorCode::budget, "billing_error"},
        {ErrorCode::timeout, "timeout_error"},
        {ErrorCode::unavailable, "overloaded_error"},
        {ErrorCode::upstream_failed, "api_error"},
        {ErrorCode::internal, "api_error"},
    };
    for (const auto& [code, type] : rows) {
        const Error error{.code = code, .message = "So it is.", .remedy = "Do that."};
        const std::string body = anthropic_codec().write_error(error);
        EXPECT_EQ(
            J::parse(body),
            J({{"type", "error"}, {"error", {{"type", type}, {"message", "So it is. Do that."}}}})
        );
        EXPECT_EQ(
            anthropic_codec().write_error_event(error), "event: error\ndata: " + body + "\n\n"
        );
    }
}

TEST(AnthropicCodec, ReadsItsRefusals) {
    const Error busy = anthropic_codec().read_error(
        529,
        R"({"type":"error","error":{"type":"overloaded_error","message":"Busy"},"request_id":"r"})"
    );
    EXPECT_EQ(busy.code, ErrorCode::unavailable);
    EXPECT_EQ(busy.word, "overloaded_error");
    EXPECT_EQ(busy.message, "Busy");
    EXPECT_EQ(anthropic_codec().read_error(529, "<html>").code, ErrorCode::unavailable);
    EXPECT_EQ(
        anthropic_codec()
            .read_error(402, R"({"type":"error","error":{"type":"billing_error","message":"b"}})")
            .word,
        "billing_error"
    );
}

TEST(AnthropicCodec, HasNoEmbeddings) {
    EXPECT_EQ(anthropic_codec().read_embed("{}").error().code, ErrorCode::unsupported);
    EXPECT_EQ(anthropic_codec().write_embed({}, {}).error().code, ErrorCode::unsupported);
    EXPECT_EQ(anthropic_codec().read_embed_answer("{}").error().code, ErrorCode::unsupported);
}

TEST(AnthropicCodec, IsTheOneOfItsDialect) {
    EXPECT_EQ(&codec_of(Dialect::anthropic), &anthropic_codec());
    EXPECT_EQ(&codec_of(Dialect::openai), &openai_codec());
}

}  // namespace
}  // namespace nova::dialect

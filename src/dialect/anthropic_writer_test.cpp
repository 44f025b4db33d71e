// Answers for clients that speak Anthropic's dialect.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/anthropic_answer.hpp"
#include "dialect/dialect_probe.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;

std::string written(const std::vector<ChatEvent>& events, bool stream) {
    const auto writer = anthropic::writer(
        {.id = "chatcmpl-1", .model = "mine", .created = 5, .include_usage = true}, stream
    );
    std::string out;
    for (const ChatEvent& event : events) {
        writer->write(event, out);
    }
    writer->end(out);
    return out;
}

std::string read(std::string_view bytes) {
    const auto reader = anthropic::reader(true);
    return in_words(events_of(*reader, bytes));
}

// "message_start start(0 text) delta(0) stop(0) message_delta message_stop"
std::string outline(std::string_view bytes) {
    net::SseParser parser;
    EXPECT_TRUE(parser.feed(bytes));
    EXPECT_TRUE(parser.at_border());
    std::string all;
    while (const auto event = parser.next()) {
        const J data = J::parse(event->data);
        EXPECT_EQ(data["type"], event->event);
        std::string word = event->event;
        if (word == "content_block_start") {
            word = fmt::format(
                "start({} {})", data["index"].get<int>(),
                data["content_block"]["type"].get<std::string>()
            );
        } else if (word == "content_block_delta") {
            word = fmt::format("delta({})", data["index"].get<int>());
        } else if (word == "content_block_stop") {
            word = fmt::format("stop({})", data["index"].get<int>());
        }
        all += (all.empty() ? "" : " ") + word;
    }
    return all;
}

J event_of(std::string_view bytes, std::string_view name) {
    net::SseParser parser;
    EXPECT_TRUE(parser.feed(bytes));
    while (const auto event = parser.next()) {
        if (event->event == name) {
            return J::parse(event->data);
        }
    }
    return {};
}

Finished finished(FinishReason reason) {
    return Finished{.reason = reason, .stop_sequence = {}, .raw = {}};
}

ToolCallBegun call(std::uint32_t index, std::string id) {
    return ToolCallBegun{.index = index, .id = std::move(id), .name = "f"};
}

ToolArgumentsDelta arguments(std::uint32_t index, std::string json) {
    return ToolArgumentsDelta{.index = index, .json = std::move(json)};
}

const std::vector<ChatEvent> kAnswer{
    Begun{.id = {}, .model = "theirs"},
    ReasoningDelta{.text = "hm", .signature = {}},
    ReasoningDelta{.text = {}, .signature = "S"},
    TextDelta{"H"},
    TextDelta{"i"},
    call(0, "t"),
    arguments(0, "{\"x\""),
    arguments(0, ":1}"),
    call(1, "u"),
    Usage{.prompt = 29, .completion = {}, .cached = 15, .cache_write = 5, .reasoning = {}},
    finished(FinishReason::tool_calls),
    Usage{.prompt = {}, .completion = 2, .cached = {}, .cache_write = {}, .reasoning = {}},
};

TEST(AnthropicWriter, WhatItStreamsReadsAsWhatItWasGiven) {
    EXPECT_EQ(
        read(written(kAnswer, true)),
        "begun(mine) usage(0/0) thought(hm) thought() text(H) text(i) call(0 t f) "
        "args(0 {\"x\") args(0 :1}) call(1 u f) args(1 {}) usage(29/2) finished(tool_calls)"
    );
}

TEST(AnthropicWriter, BlocksFollowOneAnother) {
    EXPECT_EQ(
        outline(written(kAnswer, true)),
        "message_start start(0 thinking) delta(0) delta(0) stop(0) start(1 text) delta(1) delta(1) "
        "stop(1) start(2 tool_use) delta(2) delta(2) stop(2) start(3 tool_use) stop(3) "
        "message_delta message_stop"
    );
}

TEST(AnthropicWriter, CallsThatComeInTurnAreSetInOrder) {
    const std::string bytes = written(
        {call(0, "a"), call(1, "b"), arguments(0, "{\"x\":"), arguments(1, "{\"y\":"),
         arguments(0, "1}"), arguments(1, "2}"), TextDelta{"so"},
         finished(FinishReason::tool_calls)},
        true
    );
    EXPECT_EQ(
        outline(bytes),
        "message_start start(0 tool_use) delta(0) delta(0) stop(0) start(1 tool_use) delta(1) "
        "stop(1) start(2 text) delta(2) stop(2) message_delta message_stop"
    );
    EXPECT_EQ(
        read(bytes), "begun(mine) usage(0/0) call(0 a f) args(0 {\"x\":) args(0 1}) call(1 b f) "
                     "args(1 {\"y\":2}) text(so) usage(0/0) finished(tool_calls)"
    );
}

TEST(AnthropicWriter, TheMessageBeginsAsOne) {
    const J message = event_of(written(kAnswer, true), "message_start")["message"];
    EXPECT_EQ(message["id"], "msg_1");
    EXPECT_EQ(message["type"], "message");
    EXPECT_EQ(message["role"], "assistant");
    EXPECT_EQ(message["model"], "mine");
    EXPECT_EQ(message["content"], J::array());
    EXPECT_TRUE(message["stop_reason"].is_null());
    EXPECT_EQ(message["usage"]["input_tokens"], 0);
    EXPECT_EQ(message["usage"]["output_tokens"], 0);
}

TEST(AnthropicWriter, CachedTokensAreNotInputTokens) {
    const J usage = event_of(written(kAnswer, true), "message_delta")["usage"];
    EXPECT_EQ(
        usage, J({{"input_tokens", 9},
                  {"cache_creation_input_tokens", 5},
                  {"cache_read_input_tokens", 15},
                  {"output_tokens", 2}})
    );
}

TEST(AnthropicWriter, SaysWhyItEnded) {
    const std::pair<FinishReason, std::string_view> rows[] = {
        {FinishReason::stop, "end_turn"},       {FinishReason::length, "max_tokens"},
        {FinishReason::tool_calls, "tool_use"}, {FinishReason::content_filter, "refusal"},
        {FinishReason::refusal, "refusal"},     {FinishReason::other, "end_turn"},
    };
    for (const auto& [reason, word] : rows) {
        EXPECT_EQ(
            event_of(written({finished(reason)}, true), "message_delta")["delta"]["stop_reason"],
            word
        );
        EXPECT_EQ(J::parse(written({finished(reason)}, false))["stop_reason"], word);
    }
    Finished at_sequence = finished(FinishReason::stop);
    at_sequence.stop_sequence = "END";
    const J delta = event_of(written({at_sequence}, true), "message_delta")["delta"];
    EXPECT_EQ(delta, J({{"stop_reason", "stop_sequence"}, {"stop_sequence", "END"}}));
    const std::vector<ChatEvent> refused{RefusalDelta{"No."}, finished(FinishReason::stop)};
    EXPECT_EQ(event_of(written(refused, true), "message_delta")["delta"]["stop_reason"], "refusal");
}

TEST(AnthropicWriter, NothingFollowsAnError) {
    const std::string bytes = written(
        {Begun{.id = {}, .model = {}}, TextDelta{"Hi"},
         Failed{Error{.code = ErrorCode::unavailable, .message = "It broke."}}, TextDelta{"late"},
         finished(FinishReason::stop)},
        true
    );
    EXPECT_EQ(outline(bytes), "message_start start(0 text) delta(0) error");
    EXPECT_EQ(read(bytes), "begun(mine) usage(0/0) text(Hi) failed(overloaded_error)");
}

TEST(AnthropicWriter, AnAnswerThatNeverFinishedHasNoEnd) {
    EXPECT_EQ(outline(written({TextDelta{"Hi"}}, true)), "message_start start(0 text) delta(0)");
}

TEST(AnthropicWriter, KeepAlivesArePings) {
    EXPECT_EQ(written({KeepAlive{}}, true), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

TEST(AnthropicWriter, WritesAWholeAnswer) {
    const J answer = J::parse(written(kAnswer, false));
    EXPECT_EQ(answer["id"], "msg_1");
    EXPECT_EQ(answer["model"], "mine");
    EXPECT_EQ(
        answer["content"], J::parse(R"([{"type":"thinking","thinking":"hm","signature":"S"},)"
                                    R"({"type":"text","text":"Hi"},)"
                                    R"({"type":"tool_use","id":"t","name":"f","input":{"x":1}},)"
                                    R"({"type":"tool_use","id":"u","name":"f","input":{}}])")
    );
    EXPECT_EQ(answer["stop_reason"], "tool_use");
    EXPECT_TRUE(answer["stop_sequence"].is_null());
    EXPECT_EQ(answer["usage"]["input_tokens"], 9);
}

TEST(AnthropicWriter, AFailedAnswerIsAnError) {
    const J answer =
        J::parse(written({Failed{Error{.code = ErrorCode::timeout, .message = "Too slow."}}}, false)
        );
    EXPECT_EQ(
        answer,
        J({{"type", "error"}, {"error", {{"type", "timeout_error"}, {"message", "Too slow."}}}})
    );
}

}  // namespace
}  // namespace nova::dialect

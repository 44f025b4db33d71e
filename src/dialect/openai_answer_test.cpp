// Answers of OpenAI-compatible servers: what they mean, and what is written to clients.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/openai_answer.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

std::string stream_of(std::initializer_list<std::string_view> events) {
    std::string all;
    for (const std::string_view event : events) {
        all += fmt::format("data: {}\n\n", event);
    }
    return all;
}

std::string read(std::string_view bytes, bool stream = true, std::uint64_t seed = 0) {
    const auto reader = openai::reader(stream);
    return in_words(events_of(*reader, bytes, seed));
}

constexpr std::string_view kRole =
    R"({"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":{"role":"assistant",)"
    R"("content":""},"finish_reason":null}],"usage":null})";
constexpr std::string_view kStop = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";

TEST(OpenAiReader, ReadsAStreamWhateverItsPieces) {
    const std::string bytes = stream_of(
        {kRole, R"({"choices":[{"delta":{"content":"Gr\u00fc\u00dfe"}}]})",
         R"({"choices":[{"delta":{"content":" [DONE] data: x"}}]})", kStop,
         R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}})", "[DONE]"}
    );
    const std::string expected =
        "begun(m) text(Grüße) text( [DONE] data: x) finished(stop) usage(9/2)";
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        ASSERT_EQ(read(bytes, true, seed), expected) << seed;
    }
}

TEST(OpenAiReader, CountsToolCallsItsOwnWay) {
    EXPECT_EQ(
        read(stream_of(
            {kRole,
             R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f",)"
             R"("arguments":""}}]}}]})",
             R"({"choices":[{"delta":{"tool_calls":[{"index":0,)"
             R"("function":{"arguments":"{\"x\""}}]}}]})",
             R"({"choices":[{"delta":{"tool_calls":[{"index":0,)"
             R"("function":{"arguments":":1}"}}]}}]})",
             R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g",)"
             R"("arguments":{"y":2}}}]}}]})",
             kStop}
        )),
        "begun(m) call(0 a f) args(0 {\"x\") args(0 :1}) call(1 b g) args(1 {\"y\":2}) "
        "finished(tool_calls)"
    );
}

TEST(OpenAiReader, MakesUpIdsWhereThereAreNone) {
    EXPECT_EQ(
        read(stream_of(
            {R"({"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}},)"
             R"({"function":{"name":"g","arguments":"{}"}}]}}]})",
             R"({"choices":[{"delta":{},"finish_reason":"length"}]})"}
        )),
        "begun() call(0 call_0 f) args(0 {}) call(1 call_1 g) args(1 {}) finished(length)"
    );
}

TEST(OpenAiReader, ReadsBothWordsForReasoning) {
    EXPECT_EQ(
        read(stream_of(
            {R"({"choices":[{"delta":{"reasoning":"hm"}}]})",
             R"({"choices":[{"delta":{"reasoning_content":"so"}}]})", kStop}
        )),
        "begun() thought(hm) thought(so) finished(stop)"
    );
}

TEST(OpenAiReader, ReadsContentThatIsAListOfPieces) {
    constexpr std::string_view kPieces =
        R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},)"
        R"({"type":"text","text":"m"}]},{"type":"text","text":"Hi"},)"
        R"({"type":"reference","reference_ids":[1]},{"type":"thinking","thinking":"so"},)"
        R"({"type":"text","text":""},null]})";
    EXPECT_EQ(
        read(stream_of(
            {fmt::format(R"({{"choices":[{{"delta":{}}}]}})", kPieces),
             R"({"choices":[{"delta":{"content":"!"}}]})", kStop}
        )),
        "begun() thought(hm) text(Hi) thought(so) text(!) finished(stop)"
    );
    EXPECT_EQ(
        read(
            fmt::format(R"({{"choices":[{{"message":{},"finish_reason":"stop"}}]}})", kPieces),
            false
        ),
        "begun() thought(hm) text(Hi) thought(so) finished(stop)"
    );
}

TEST(OpenAiReader, TellsAStreamThatBreaksOff) {
    EXPECT_EQ(
        read(stream_of({kRole, R"({"choices":[{"delta":{"content":"Hi"}}]})"})),
        "begun(m) text(Hi) failed(upstream_broken_answer)"
    );
    EXPECT_EQ(read(stream_of({kRole, "[DONE]"})), "begun(m) failed(upstream_broken_answer)");
    EXPECT_EQ(read(""), "failed(upstream_broken_answer)");
}

TEST(OpenAiReader, FindsAnErrorInsideA200) {
    EXPECT_EQ(
        read(stream_of({R"({"error":{"message":"no slots","code":"busy"}})", kStop})),
        "failed(busy)"
    );
    EXPECT_EQ(read("event: error\ndata: out of memory\n\n"), "failed(upstream_broken_answer)");
}

TEST(OpenAiReader, RecoversObjectsWithoutABorder) {
    EXPECT_EQ(
        read("data: {\"choices\":[{\"delta\":{\"content\":\"a}\"}}]}{\"choices\":[{\"delta\":{"
             "\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n"),
        "begun() text(a}) text(b) finished(stop)"
    );
}

TEST(OpenAiReader, LivesWithNullsAndHeartbeats) {
    EXPECT_EQ(
        read(": ping\n\n" + stream_of({R"({"choices":null})", kRole, kStop})),
        "alive begun() finished(stop)"
    );
}

TEST(OpenAiReader, ReadsAWholeAnswer) {
    EXPECT_EQ(
        read(
            R"({"id":"c","model":"m","choices":[{"message":{"role":"assistant","content":null,)"
            R"("tool_calls":[{"id":"t","type":"function","function":{"name":"f",)"
            R"("arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,)"
            R"("completion_tokens":4}})",
            false
        ),
        "begun(m) call(0 t f) args(0 {}) finished(tool_calls) usage(3/4)"
    );
    EXPECT_EQ(read("<html>502</html>", false), "failed(upstream_broken_answer)");
    EXPECT_EQ(read(R"({"choices":[]})", false), "begun() failed(upstream_broken_answer)");
}

const AnswerIdentity kIdentity{
    .id = "chatcmpl-1", .model = "mine", .created = 5, .include_usage = true
};

std::string written(const std::vector<ChatEvent>& events, bool stream) {
    const auto writer = openai::writer(kIdentity, stream);
    std::string out;
    for (const ChatEvent& event : events) {
        writer->write(event, out);
    }
    writer->end(out);
    return out;
}

const std::vector<ChatEvent> kAnswer{
    Begun{.id = {}, .model = "theirs"},
    ReasoningDelta{.text = "hm", .signature = {}},
    TextDelta{"Hi"},
    ToolCallBegun{.index = 0, .id = "t", .name = "f"},
    ToolArgumentsDelta{.index = 0, .json = "{\"x\":1}"},
    Usage{.prompt = 9, .completion = {}, .cached = 4, .cache_write = {}, .reasoning = {}},
    Finished{.reason = FinishReason::tool_calls, .stop_sequence = {}, .raw = {}},
    Usage{.prompt = {}, .completion = 2, .cached = {}, .cache_write = {}, .reasoning = {}},
};

TEST(OpenAiWriter, WhatItStreamsReadsAsWhatItWasGiven) {
    const std::string bytes = written(kAnswer, true);
    EXPECT_EQ(
        read(bytes), "begun(mine) thought(hm) text(Hi) call(0 t f) args(0 {\"x\":1}) "
                     "finished(tool_calls) usage(9/2)"
    );
    EXPECT_TRUE(bytes.ends_with("data: [DONE]\n\n"));
    EXPECT_NE(bytes.find(R"("role":"assistant")"), std::string::npos);
}

TEST(OpenAiWriter, TheSameIdentityInEveryChunk) {
    std::size_t chunks = 0;
    net::SseParser parser;
    ASSERT_TRUE(parser.feed(written(kAnswer, true)));
    while (const auto event = parser.next()) {
        if (event->data != "[DONE]") {
            const auto chunk = nlohmann::json::parse(event->data);
            EXPECT_EQ(chunk["id"], "chatcmpl-1");
            EXPECT_EQ(chunk["model"], "mine");
            EXPECT_EQ(chunk["created"], 5);
            ++chunks;
        }
    }
    EXPECT_EQ(chunks, 7U);
}

TEST(OpenAiWriter, NothingFollowsAnError) {
    const std::string bytes = written(
        {Begun{.id = {}, .model = {}}, TextDelta{"Hi"},
         Failed{Error{.code = ErrorCode::upstream_failed, .message = "It broke."}},
         TextDelta{"late"}},
        true
    );
    EXPECT_EQ(read(bytes), "begun(mine) text(Hi) failed(upstream_failed)");
    EXPECT_EQ(bytes.find("[DONE]"), std::string::npos);
    EXPECT_EQ(bytes.find("late"), std::string::npos);
    EXPECT_EQ(bytes.find(R"("finish_reason":"stop")"), std::string::npos);
}

TEST(OpenAiWriter, WritesAWholeAnswer) {
    const auto answer = nlohmann::json::parse(written(kAnswer, false));
    EXPECT_EQ(answer["model"], "mine");
    EXPECT_EQ(answer["choices"][0]["message"]["content"], "Hi");
    EXPECT_EQ(answer["choices"][0]["message"]["reasoning_content"], "hm");
    EXPECT_EQ(
        answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{\"x\":1}"
    );
    EXPECT_EQ(answer["choices"][0]["finish_reason"], "tool_calls");
    EXPECT_EQ(answer["usage"]["total_tokens"], 11);
    EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
}

TEST(OpenAiWriter, AnAssistantThatOnlyCallsToolsSaysNull) {
    const auto answer = nlohmann::json::parse(written(
        {ToolCallBegun{.index = 0, .id = "t", .name = "f"},
         Finished{.reason = FinishReason::tool_calls, .stop_sequence = {}, .raw = {}}},
        false
    ));
    EXPECT_TRUE(answer["choices"][0]["message"]["content"].is_null());
    EXPECT_EQ(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{}");
}

}  // namespace
}  // namespace nova::dialect

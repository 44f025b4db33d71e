// Answers as Ollama's clients read them.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/clock.hpp"
#include "dialect/dialect_probe.hpp"
#include "dialect/ollama_answer.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::ordered_json;
using namespace std::chrono_literals;

const std::vector<ChatEvent> kAnswer{
    Begun{.id = "theirs", .model = "theirs"},
    ReasoningDelta{.text = "hm", .signature = {}},
    TextDelta{"Hi"},
    KeepAlive{},
    ToolCallBegun{.index = 0, .id = "a", .name = "f"},
    ToolCallBegun{.index = 1, .id = "b", .name = "g"},
    ToolArgumentsDelta{.index = 1, .json = "{}"},
    ToolArgumentsDelta{.index = 0, .json = "{\"y\":1,"},
    ToolArgumentsDelta{.index = 0, .json = "\"x\":2}"},
    Finished{.reason = FinishReason::tool_calls, .stop_sequence = {}, .raw = {}},
    Usage{.prompt = 9, .completion = 2, .cached = {}, .cache_write = {}, .reasoning = {}},
};

std::string written(
    const std::vector<ChatEvent>& events, bool stream, ollama::Route route = ollama::Route::chat
) {
    const auto writer = ollama::writer({.id = "i", .model = "mine", .created = 5}, stream, route);
    std::string out;
    for (const ChatEvent& event : events) {
        writer->write(event, out);
    }
    writer->end(out);
    return out;
}

std::string read(std::string_view bytes, bool stream) {
    const auto reader = ollama::reader(stream);
    return in_words(events_of(*reader, bytes));
}

TEST(OllamaWriter, WhatItWritesReadsAsWhatItWasGiven) {
    constexpr std::string_view kExpected =
        "begun(mine) thought(hm) text(Hi) call(0 a f) args(0 {\"y\":1,\"x\":2}) "
        "call(1 b g) args(1 {}) finished(tool_calls) usage(9/2)";
    EXPECT_EQ(read(written(kAnswer, true), true), kExpected);
    EXPECT_EQ(read(written(kAnswer, false), false), kExpected);
}

TEST(OllamaWriter, EveryLineIsAnAnswerAndOnlyTheLastIsDone) {
    std::string bytes = written(kAnswer, true);
    ASSERT_TRUE(bytes.ends_with("\n"));
    std::vector<J> lines;
    for (std::size_t end = bytes.find('\n'); end != std::string::npos; end = bytes.find('\n')) {
        lines.push_back(J::parse(bytes.substr(0, end)));
        bytes.erase(0, end + 1);
    }
    ASSERT_EQ(lines.size(), 4U);
    for (const J& line : lines) {
        EXPECT_EQ(line["model"], "mine");
        EXPECT_EQ(line["created_at"], "1970-01-01T00:00:05.000Z");
        EXPECT_EQ(line["message"]["role"], "assistant");
        EXPECT_TRUE(line["message"]["content"].is_string());
        EXPECT_EQ(line["done"], &line == &lines.back());
    }
    EXPECT_EQ(
        lines[2]["message"]["tool_calls"][0]["function"]["arguments"], J({{"y", 1}, {"x", 2}})
    );
    EXPECT_EQ(lines[3]["done_reason"], "stop");
    EXPECT_EQ(lines[3]["prompt_eval_count"], 9);
    EXPECT_EQ(lines[3]["eval_count"], 2);
    EXPECT_EQ(lines[3]["total_duration"], 0);
}

// A provider's word; milliseconds, or nonsense.
TEST(OllamaWriter, ATimeThatIsNoneIsOurs) {
    for (const std::int64_t created :
         {INT64_MIN, std::int64_t{-1}, std::int64_t{4'000'000'000'000}, INT64_MAX}) {
        const std::string bytes =
            written({Begun{.id = {}, .model = {}, .created = created}, TextDelta{"a"}}, true);
        EXPECT_EQ(
            J::parse(bytes.substr(0, bytes.find('\n')))["created_at"], "1970-01-01T00:00:05.000Z"
        );
    }
}

TEST(OllamaWriter, GenerateAnswersWithResponse) {
    const J whole =
        J::parse(written({TextDelta{"a"}, TextDelta{"b"}}, false, ollama::Route::generate));
    EXPECT_EQ(whole["response"], "ab");
    EXPECT_FALSE(whole.contains("message"));
    EXPECT_FALSE(whole.contains("prompt_eval_count"));
    const std::string stream = written({TextDelta{"a"}}, true, ollama::Route::generate);
    EXPECT_EQ(J::parse(stream.substr(0, stream.find('\n')))["response"], "a");
}

TEST(OllamaWriter, NothingFollowsAnError) {
    const std::string bytes = written(
        {TextDelta{"Hi"}, Failed{Error{.code = ErrorCode::upstream_failed, .message = "It broke."}},
         TextDelta{"late"}},
        true
    );
    EXPECT_TRUE(bytes.ends_with("{\"error\":\"It broke.\"}\n")) << bytes;
    EXPECT_EQ(bytes.find("done_reason"), std::string::npos);
    EXPECT_EQ(
        written(
            {Failed{Error{.code = ErrorCode::timeout, .message = "Late.", .remedy = "Wait."}}},
            false
        ),
        "{\"error\":\"Late. Wait.\"}"
    );
}

TEST(OllamaWriter, ArgumentsThatAreNoObjectAreAFailure) {
    const std::vector<ChatEvent> events{
        ToolCallBegun{.index = 0, .id = "a", .name = "f"},
        ToolArgumentsDelta{.index = 0, .json = "{\"cut"},
        Finished{.reason = FinishReason::length, .stop_sequence = {}, .raw = {}},
    };
    EXPECT_EQ(
        written(events, true), "{\"error\":\"The model's arguments for `f` are no JSON object.\"}\n"
    );
    EXPECT_TRUE(J::parse(written(events, false)).contains("error"));
    for (const bool stream : {true, false}) {
        const auto writer =
            ollama::writer({.id = "i", .model = "m", .created = 5}, stream, ollama::Route::chat);
        std::string out;
        for (const ChatEvent& event : events) {
            writer->write(event, out);
        }
        EXPECT_FALSE(writer->failure());
        writer->end(out);
        ASSERT_TRUE(writer->failure()) << stream;
        EXPECT_EQ(writer->failure()->word, "upstream_broken_answer");
    }
}

TEST(OllamaWriter, MeasuresWhereItHasAClock) {
    VirtualClock clock;
    const auto writer = ollama::writer(
        {.id = {}, .model = "m", .created = 0, .include_usage = false, .clock = &clock}, true,
        ollama::Route::chat
    );
    std::string out;
    clock.advance(2s);
    writer->write(TextDelta{"a"}, out);
    clock.advance(3s);
    writer->write(TextDelta{"b"}, out);
    out.clear();
    writer->end(out);
    const J last = J::parse(out);
    EXPECT_EQ(last["prompt_eval_duration"], 2000000000);
    EXPECT_EQ(last["eval_duration"], 3000000000);
    EXPECT_EQ(last["total_duration"], 5000000000);
}

TEST(OllamaWriter, ARequestThatAsksNothingIsAnsweredAsOllamaDoes) {
    ChatRequest request;
    EXPECT_EQ(J::parse(written(ollama::nothing_asked(request), false))["done_reason"], "load");
    request.keep_alive = "0";
    const J away = J::parse(written(ollama::nothing_asked(request), false));
    EXPECT_EQ(away["done_reason"], "unload");
    EXPECT_EQ(away["message"]["content"], "");
}

TEST(OllamaWriter, FinishReasonsBecomeOllamasWords) {
    const auto word = [](FinishReason reason) {
        return J::parse(
            written({Finished{.reason = reason, .stop_sequence = {}, .raw = "whatever"}}, false)
        )["done_reason"];
    };
    EXPECT_EQ(word(FinishReason::length), "length");
    EXPECT_EQ(word(FinishReason::tool_calls), "stop");
    EXPECT_EQ(word(FinishReason::content_filter), "stop");
}

}  // namespace
}  // namespace nova::dialect

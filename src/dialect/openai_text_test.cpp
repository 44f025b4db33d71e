// OpenAI's older completions: what is read, refused and written.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/ollama_captured.hpp"
#include "dialect/ollama_codec.hpp"
#include "dialect/openai_text.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;

std::string written(const std::vector<ChatEvent>& events, bool stream) {
    const auto writer =
        codec_of(Dialect::openai_text)
            .writer({.id = "cmpl-1", .model = "mine", .created = 5, .include_usage = true}, stream);
    std::string out;
    for (const ChatEvent& event : events) {
        writer->write(event, out);
    }
    writer->end(out);
    return out;
}

std::string read(std::string_view bytes, bool stream) {
    const auto reader = openai_text_codec().reader(stream);
    return in_words(events_of(*reader, bytes));
}

const std::vector<ChatEvent> kAnswer{
    Begun{.id = {}, .model = "theirs"},
    ReasoningDelta{.text = "unsaid", .signature = {}},
    TextDelta{"a "},
    TextDelta{"canvas"},
    Finished{.reason = FinishReason::length, .stop_sequence = {}, .raw = {}},
    Usage{.prompt = 3, .completion = 2, .cached = {}, .cache_write = {}, .reasoning = {}},
};

TEST(OpenAiText, WhatIsReadIsWritten) {
    constexpr std::string_view kBody =
        R"({"model":"m","prompt":"The sky is","suffix":".","stream":true,"max_tokens":5,)"
        R"("temperature":0.5,"stop":["a"],"user":"u","logit_bias":{"5":1},)"
        R"("stream_options":{"include_usage":true}})";
    const auto request = openai_text_codec().read_request(kBody);
    ASSERT_TRUE(request);
    EXPECT_TRUE(request->completion);
    const auto body = openai_text_codec().write_request(*request, {});
    ASSERT_TRUE(body);
    EXPECT_EQ(J::parse(*body), J::parse(kBody));
}

TEST(OpenAiText, AListOfOneIsThatOne) {
    const auto request =
        openai_text_codec().read_request(R"({"model":"m","prompt":["a"],"n":1,"echo":false})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->messages.at(0).content.at(0).text, "a");
}

struct Refusal {
    std::string_view members;
    ErrorCode code;
    std::string_view sentence;
};

TEST(OpenAiText, RefusesWhatCannotBeTranslated) {
    const Refusal rows[] = {
        {R"("prompt":["a","b"])", ErrorCode::unprocessable,
         "prompt with several texts cannot be translated for this provider."},
        {R"("prompt":[1,2])", ErrorCode::unprocessable,
         "prompt as token numbers cannot be translated for this provider."},
        {R"("prompt":[[1,2]])", ErrorCode::unprocessable,
         "prompt as token numbers cannot be translated for this provider."},
        {R"("prompt":"a","n":2)", ErrorCode::unprocessable,
         "n: 2 cannot be translated for this provider."},
        {R"("prompt":"a","best_of":3)", ErrorCode::unprocessable,
         "best_of: 3 cannot be translated for this provider."},
        {R"("prompt":"a","echo":true)", ErrorCode::unprocessable,
         "echo cannot be translated for this provider."},
        {R"("prompt":[])", ErrorCode::invalid_argument,
         "prompt must be a string or a list of strings."},
        {R"("prompt":null)", ErrorCode::invalid_argument, "prompt is missing."},
        {R"("prompt":"a","stop":5)", ErrorCode::invalid_argument,
         "stop must be a string or a list of strings."},
    };
    for (const Refusal& row : rows) {
        const auto request =
            openai_text_codec().read_request(R"({"model":"m",)" + std::string{row.members} + "}");
        ASSERT_FALSE(request) << row.members;
        EXPECT_EQ(request.error().code, row.code) << row.members;
        EXPECT_EQ(request.error().message, row.sentence);
    }
}

TEST(OpenAiText, WritesAWholeCompletion) {
    const J body = J::parse(written(kAnswer, false));
    EXPECT_EQ(body["object"], "text_completion");
    EXPECT_EQ(body["id"], "cmpl-1");
    EXPECT_EQ(body["model"], "mine");
    EXPECT_EQ(body["choices"][0]["text"], "a canvas");
    EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
    EXPECT_EQ(body["usage"]["total_tokens"], 5);
    EXPECT_EQ(read(body.dump(), false), "begun(mine) text(a canvas) finished(length) usage(3/2)");
}

TEST(OpenAiText, WhatItStreamsReadsAsWhatItWasGiven) {
    const std::string bytes = written(kAnswer, true);
    EXPECT_EQ(read(bytes, true), "begun(mine) text(a ) text(canvas) finished(length) usage(3/2)");
    EXPECT_TRUE(bytes.ends_with("data: [DONE]\n\n"));
    EXPECT_NE(bytes.find(R"("object":"text_completion")"), std::string::npos);
}

TEST(OpenAiText, NothingFollowsAnError) {
    const std::string bytes = written(
        {TextDelta{"a"}, Failed{Error{.code = ErrorCode::upstream_failed, .message = "It broke."}}},
        true
    );
    EXPECT_EQ(read(bytes, true), "begun(mine) text(a) failed(upstream_failed)");
    EXPECT_EQ(bytes.find("[DONE]"), std::string::npos);
}

TEST(OpenAiText, OllamaContinuesTheTextWithoutATemplate) {
    const auto request =
        openai_text_codec().read_request(R"({"model":"m","prompt":"The sky is","max_tokens":4})");
    ASSERT_TRUE(request);
    const auto asked = ollama_codec().write_request(*request, {});
    ASSERT_TRUE(asked);
    EXPECT_EQ(J::parse(*asked), J::parse(R"({"model":"m","prompt":"The sky is","raw":true,
        "stream":false,"options":{"num_predict":4}})"));
    const auto reader = ollama_codec().reader(false);
    const auto events = events_of(*reader, captured::kGenerateWhole);
    EXPECT_EQ(J::parse(written(events, false))["choices"][0]["text"], " a canvas of endless");
}

}  // namespace
}  // namespace nova::dialect

// What bit others in OpenAI's dialect and is no single codec's business (docs/traps.md).
#include <algorithm>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/codec.hpp"
#include "dialect/dialect_probe.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;

const AnswerIdentity kIdentity{
    .id = "chatcmpl-1", .model = "mine", .created = 5, .include_usage = true
};

std::vector<J> chunks_of(const std::vector<ChatEvent>& events) {
    const auto writer = openai_codec().writer(kIdentity, true);
    std::string bytes;
    for (const ChatEvent& event : events) {
        writer->write(event, bytes);
    }
    writer->end(bytes);
    net::SseParser parser;
    EXPECT_TRUE(parser.feed(bytes));
    std::vector<J> chunks;
    while (const auto event = parser.next()) {
        if (event->data != "[DONE]") {
            chunks.push_back(J::parse(event->data));
        }
    }
    return chunks;
}

Finished finished(FinishReason reason) {
    return Finished{.reason = reason, .stop_sequence = {}, .raw = {}};
}

// Traps 54 and 55: `choices` is always a list, and the role stands in the first delta and no other,
// whatever comes first.
TEST(OpenAiTraps, TheFirstDeltaCarriesTheRoleAndChoicesIsAlwaysAList) {
    const std::vector<std::vector<ChatEvent>> answers{
        {TextDelta{"a"}, finished(FinishReason::stop)},
        {Begun{.id = {}, .model = {}}, ReasoningDelta{.text = "hm", .signature = {}},
         TextDelta{"a"}, finished(FinishReason::stop)},
        {ToolCallBegun{.index = 0, .id = "t", .name = "f"},
         ToolArgumentsDelta{.index = 0, .json = "{}"}, finished(FinishReason::tool_calls),
         Usage{.prompt = 1, .completion = 2, .cached = {}, .cache_write = {}, .reasoning = {}}},
        {finished(FinishReason::stop)},
    };
    for (const auto& events : answers) {
        const std::vector<J> chunks = chunks_of(events);
        ASSERT_FALSE(chunks.empty());
        std::size_t roles = 0;
        for (const J& chunk : chunks) {
            ASSERT_TRUE(chunk["choices"].is_array()) << chunk;
            for (const J& choice : chunk["choices"]) {
                ASSERT_TRUE(choice["delta"].is_object()) << chunk;
                roles += choice["delta"].contains("role") ? 1U : 0U;
            }
        }
        EXPECT_EQ(roles, 1U);
        EXPECT_EQ(chunks.front()["choices"][0]["delta"]["role"], "assistant") << chunks.front();
    }
}

// Trap 49: calls are counted from 0 without gaps, whatever blocks stand between them.
TEST(OpenAiTraps, ToolCallsAreNumberedFromNullWithoutGaps) {
    std::vector<int> indices;
    for (const J& chunk : chunks_of(
             {TextDelta{"so"}, ToolCallBegun{.index = 0, .id = "a", .name = "f"},
              ToolArgumentsDelta{.index = 0, .json = "{}"}, TextDelta{"and"},
              ToolCallBegun{.index = 1, .id = "b", .name = "f"},
              ToolArgumentsDelta{.index = 1, .json = "{}"}, finished(FinishReason::tool_calls)}
         )) {
        for (const J& choice : chunk["choices"]) {
            for (const J& call : choice["delta"].value("tool_calls", J::array())) {
                indices.push_back(call["index"].get<int>());
            }
        }
    }
    std::vector<int> distinct = indices;
    std::ranges::sort(distinct);
    const auto [from, to] = std::ranges::unique(distinct);
    distinct.erase(from, to);
    EXPECT_EQ(distinct, (std::vector<int>{0, 1}));
}

J rewritten(std::string_view body) {
    const auto request = openai_codec().read_request(body);
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    const auto text =
        openai_codec().write_request(request.value_or(ChatRequest{}), {.include_usage = false});
    EXPECT_TRUE(text) << (text ? "" : text.error().message);
    return J::parse(text.value_or("{}"));
}

// Traps 61 and 79: what nova has no use for is the provider's business.
TEST(OpenAiTraps, FieldsNobodyKnowsArePassedOn) {
    const J body = J::parse(R"({"model":"m","messages":[{"role":"user","content":"hi"}],
        "stream":false,"user":"u","metadata":{"a":"b"},"store":true,"service_tier":"flex",
        "chat_template_kwargs":{"enable_thinking":false},"a_field_of_next_year":[1,{"x":null}],
        "logprobs":true,"top_logprobs":2,"prediction":{"type":"content","content":"x"}})");
    EXPECT_EQ(rewritten(body.dump()), body);
}

// Trap 74: the name of a field is its letters, and of two equal ones the last counts, as in
// engines.
TEST(OpenAiTraps, NamesAreExactAndTheLastOfTwoCounts) {
    const auto request = openai_codec().read_request(
        R"({"Model":"evil","model":"m","MESSAGES":[],"Stream":true,"temperature":0.1,)"
        R"("messages":[{"role":"user","content":"first"}],"temperature":0.9,)"
        R"("messages":[{"role":"user","content":"last"}]})"
    );
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->model, "m");
    EXPECT_FALSE(request->stream);
    EXPECT_EQ(request->temperature, 0.9);
    ASSERT_EQ(request->messages.size(), 1U);
    EXPECT_EQ(request->messages[0].content.at(0).text, "last");
}

// Trap 75: whole numbers of 64 bits survive a translation, and no answer holds what is no JSON.
TEST(OpenAiTraps, NumbersSurviveAndWhatIsNoneIsAnError) {
    const J out = rewritten(
        R"({"model":"m","messages":[{"role":"user","content":"hi"}],"seed":9223372036854775807,)"
        R"("big":18446744073709551615,"one":1.0})"
    );
    EXPECT_EQ(out["seed"], std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(out["big"], std::numeric_limits<std::uint64_t>::max());
    EXPECT_TRUE(out["one"].is_number_float());
    for (const std::string_view number : {"NaN", "Infinity", "-inf", "null", "1e999", "1e300"}) {
        const std::string answer =
            R"({"data":[{"embedding":[0.5,)" + std::string{number} + R"(]}]})";
        EXPECT_FALSE(openai_codec().read_embed_answer(answer)) << number;
    }
    // The same in base64, little-endian: not a number, infinity.
    for (const std::string_view number : {"AADAfw==", "AACAfw=="}) {
        const std::string answer = R"({"data":[{"embedding":")" + std::string{number} + R"("}]})";
        EXPECT_FALSE(openai_codec().read_embed_answer(answer)) << number;
    }
}

}  // namespace
}  // namespace nova::dialect

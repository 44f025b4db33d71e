// Answers that are collected before they are read or written.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/whole_answer.hpp"

namespace nova::dialect {
namespace {

void take_model(const Tree& object, std::vector<ChatEvent>& out) {
    out.emplace_back(Begun{.id = {}, .model = text_of(member(object, "model")), .created = 0});
}

TEST(WholeAnswer, IsReadWhenAllOfItIsThere) {
    const auto reader = whole_reader(take_model);
    EXPECT_EQ(in_words(events_of(*reader, R"({"model":"m"})", 3)), "begun(m)");
}

TEST(WholeAnswer, ThatIsNoObjectHasFailed) {
    for (const std::string_view body : {"", "<html>", "[1]", R"({"model":)"}) {
        const auto reader = whole_reader(take_model);
        EXPECT_EQ(in_words(events_of(*reader, body)), "failed(upstream_broken_answer)") << body;
    }
}

TEST(WholeAnswer, IsWhatItsEventsAddUpTo) {
    WholeAnswer whole;
    const std::vector<ChatEvent> events{
        Begun{.id = "a", .model = "m", .created = 3},
        ReasoningDelta{.text = "h", .signature = {}},
        ReasoningDelta{.text = "m", .signature = "s"},
        TextDelta{"He"},
        KeepAlive{},
        TextDelta{"llo"},
        ToolCallBegun{.index = 0, .id = "t", .name = "f"},
        ToolArgumentsDelta{.index = 0, .json = "{\"a\""},
        ToolArgumentsDelta{.index = 0, .json = ":1}"},
        ToolArgumentsDelta{.index = 7, .json = "of no call"},
        Usage{.prompt = 9, .completion = 1, .cached = 4, .cache_write = {}, .reasoning = {}},
        Usage{.prompt = {}, .completion = 5, .cached = {}, .cache_write = {}, .reasoning = {}},
        Finished{.reason = FinishReason::tool_calls, .stop_sequence = {}, .raw = {}},
    };
    for (const ChatEvent& event : events) {
        whole.take(event);
    }
    EXPECT_EQ(whole.begun.id, "a");
    EXPECT_EQ(whole.reasoning, "hm");
    EXPECT_EQ(whole.signature, "s");
    EXPECT_EQ(whole.text, "Hello");
    ASSERT_EQ(whole.calls.size(), 1U);
    EXPECT_EQ(whole.calls[0].arguments, "{\"a\":1}");
    EXPECT_EQ(whole.finished.reason, FinishReason::tool_calls);
    EXPECT_EQ(whole.usage.prompt, 9U);
    EXPECT_EQ(whole.usage.completion, 5U);
    EXPECT_EQ(whole.usage.cached, 4U);
    EXPECT_FALSE(whole.error.has_value());
}

}  // namespace
}  // namespace nova::dialect

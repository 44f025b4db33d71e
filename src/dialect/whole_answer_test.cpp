// Events gathered into one answer.
#include <gtest/gtest.h>

#include "dialect/whole_answer.hpp"

namespace nova::dialect {
namespace {

TEST(WholeAnswer, PutsPiecesTogetherCallByCall) {
    WholeAnswer answer;
    answer.take(TextDelta{"Gr"});
    answer.take(ToolCallBegun{.index = 0, .id = "a", .name = "f"});
    answer.take(ToolCallBegun{.index = 1, .id = "b", .name = "g"});
    answer.take(ToolArgumentsDelta{.index = 1, .json = "{}"});
    answer.take(ToolArgumentsDelta{.index = 0, .json = "{\"x\""});
    answer.take(ToolArgumentsDelta{.index = 0, .json = ":1}"});
    answer.take(ToolArgumentsDelta{.index = 7, .json = "of nobody"});
    answer.take(TextDelta{"üße"});
    EXPECT_EQ(answer.text, "Grüße");
    ASSERT_EQ(answer.calls.size(), 2U);
    EXPECT_EQ(answer.calls[0].arguments, "{\"x\":1}");
    EXPECT_EQ(answer.calls[1].arguments, "{}");
}

TEST(WholeAnswer, ALaterUsageReplacesOnlyWhatItNames) {
    Usage usage{.prompt = 9, .completion = 1, .cached = {}, .cache_write = {}, .reasoning = {}};
    merge(usage, {.prompt = {}, .completion = 4, .cached = 2, .cache_write = {}, .reasoning = {}});
    EXPECT_EQ(usage.prompt, 9U);
    EXPECT_EQ(usage.completion, 4U);
    EXPECT_EQ(usage.cached, 2U);
}

}  // namespace
}  // namespace nova::dialect

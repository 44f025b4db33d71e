// Words and tokens of thinking.
#include <gtest/gtest.h>

#include "dialect/thinking.hpp"

namespace nova::dialect {
namespace {

TEST(Thinking, TheWordsEveryEngineHasSurviveTheirTokens) {
    for (const std::string_view effort : {"none", "low", "medium", "high"}) {
        EXPECT_EQ(effort_of(budget_of(effort)), effort);
    }
}

TEST(Thinking, OtherWordsBecomeTheNearest) {
    EXPECT_EQ(effort_of(budget_of("minimal")), "low");
    EXPECT_EQ(effort_of(budget_of("xhigh")), "high");
    EXPECT_EQ(effort_of(budget_of("max")), "high");
    EXPECT_EQ(budget_of("minimal"), kLeastThinking);
    EXPECT_EQ(budget_of("a word of next year"), budget_of("medium"));
}

}  // namespace
}  // namespace nova::dialect

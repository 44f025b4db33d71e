// From which event on an answer is committed to its provider.
#include <gtest/gtest.h>

#include "dialect/chat_event.hpp"

namespace nova::dialect {
namespace {

TEST(ChatEvent, OnlyWhatTheClientWouldSeeTwiceIsContent) {
    EXPECT_FALSE(is_content(Begun{}));
    EXPECT_FALSE(is_content(KeepAlive{}));
    EXPECT_FALSE(is_content(Usage{}));
    EXPECT_FALSE(is_content(Failed{}));
    EXPECT_FALSE(is_content(Finished{}));
    EXPECT_TRUE(is_content(TextDelta{"a"}));
    EXPECT_TRUE(is_content(ReasoningDelta{.text = "a", .signature = {}}));
    EXPECT_TRUE(is_content(RefusalDelta{"a"}));
    EXPECT_TRUE(is_content(ToolCallBegun{}));
}

}  // namespace
}  // namespace nova::dialect

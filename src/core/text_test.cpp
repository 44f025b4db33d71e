#include <gtest/gtest.h>

#include "core/text.hpp"

namespace nova {
namespace {

TEST(Trimmed, TakesTheBlanksFromBothEndsAndNoneFromWithin) {
    EXPECT_EQ(trimmed(" \t\r\na b\r\n"), "a b");
    EXPECT_EQ(trimmed("a"), "a");
    EXPECT_EQ(trimmed(""), "");
    EXPECT_EQ(trimmed(" \n "), "");
}

TEST(Trimmed, TakesOnlyTheBlanksNamed) {
    EXPECT_EQ(trimmed(" \ta\r ", kHttpBlanks), "a\r");
    EXPECT_EQ(trimmed("--a-b-", "-"), "a-b");
}

}  // namespace
}  // namespace nova

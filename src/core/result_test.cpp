#include <gtest/gtest.h>

#include "core/result.hpp"

namespace nova {
namespace {

TEST(CheckDeathTest, ABrokenInvariantSaysWhereAndAborts) {
    EXPECT_DEATH(NOVA_CHECK(1 + 1 == 3), "broken invariant: 1 \\+ 1 == 3 .*result_test.cpp");
}

TEST(Check, AHoldingInvariantIsSilent) {
    NOVA_CHECK(1 + 1 == 2);
    SUCCEED();
}

}  // namespace
}  // namespace nova

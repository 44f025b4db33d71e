#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "conform/check.hpp"

namespace nova::conform {
namespace {

TEST(Checks, HaveOneNameEach) {
    std::set<std::string_view> ids;
    for (const Check& check : all_checks()) {
        EXPECT_TRUE(ids.insert(check.id).second) << check.id;
        EXPECT_NE(check.id.find('.'), std::string_view::npos) << check.id;
    }
    EXPECT_GT(ids.size(), 80U);
}

TEST(Checks, SayWhatIsExpectedInOneSentence) {
    for (const Check& check : all_checks()) {
        EXPECT_TRUE(check.expectation.ends_with('.')) << check.id;
        EXPECT_LE(check.expectation.size(), 100U) << check.id;
        EXPECT_NE(check.run, nullptr) << check.id;
    }
}

TEST(Checks, NameTrapsThatExist) {
    std::set<unsigned> traps;
    for (const Check& check : all_checks()) {
        for (const unsigned trap : check.traps) {
            EXPECT_TRUE(trap >= 1 && trap <= 106) << check.id << " " << trap;
            traps.insert(trap);
        }
        EXPECT_TRUE(std::ranges::is_sorted(check.traps)) << check.id;
    }
    EXPECT_GT(traps.size(), 50U);
}

TEST(Checks, DialectsHaveWords) {
    for (const Dialect dialect : {Dialect::openai, Dialect::anthropic, Dialect::ollama}) {
        EXPECT_EQ(dialect_from(word_of(dialect)), dialect);
    }
    EXPECT_EQ(dialect_from("gemini"), std::nullopt);
}

}  // namespace
}  // namespace nova::conform

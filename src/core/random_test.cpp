#include <array>
#include <set>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace nova {
namespace {

TEST(Random, TheSameSeedGivesTheSameNumbers) {
    Random a{42};
    Random b{42};
    Random c{43};
    bool differs = false;
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t value = a.next();
        EXPECT_EQ(value, b.next());
        differs = differs || value != c.next();
    }
    EXPECT_TRUE(differs);
}

TEST(Random, BelowStaysBelowAndReachesEveryValue) {
    Random random{7};
    std::array<int, 5> seen{};
    for (int i = 0; i < 1000; ++i) {
        ++seen.at(random.below(5));
    }
    for (const int count : seen) {
        EXPECT_GT(count, 100);
    }
}

TEST(Random, ChanceIsPerMille) {
    Random random{7};
    int hits = 0;
    for (int i = 0; i < 10'000; ++i) {
        hits += random.chance(100) ? 1 : 0;
    }
    EXPECT_NEAR(hits, 1000, 150);
    EXPECT_FALSE(random.chance(0));
    EXPECT_TRUE(random.chance(1000));
}

TEST(RandomHex, IsLowerCaseHexAndNeverTwiceTheSame) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const std::string text = random_hex(16);
        EXPECT_EQ(text.size(), 32U);
        EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos);
        EXPECT_TRUE(seen.insert(text).second);
    }
}

}  // namespace
}  // namespace nova

#include <gtest/gtest.h>

#include "lifecycle/rate_window.hpp"

namespace nova::lifecycle {
namespace {

constexpr TimePoint at(int milliseconds) {
    return TimePoint{} + Milliseconds{milliseconds};
}

TEST(RateWindow, CountsOnlyWhatMovedInTheLastMoments) {
    RateWindow rate;
    rate.add("weights", at(0), 63'000'000);  // resumed: was there before
    EXPECT_FALSE(rate.per_second());
    rate.add("weights", at(500), 63'500'000);
    EXPECT_FALSE(rate.per_second());
    rate.add("weights", at(1000), 64'000'000);
    EXPECT_DOUBLE_EQ(*rate.per_second(), 1e6);
    for (unsigned second = 2; second <= 30; ++second) {
        rate.add("weights", at(static_cast<int>(second) * 1000), 64'000'000 + 10'000 * second);
    }
    EXPECT_NEAR(*rate.per_second(), 1e4, 1.0);
}

TEST(RateWindow, SaysNothingWhileNothingMoves) {
    RateWindow rate;
    rate.add("weights", at(0), 5);
    for (int second = 1; second < 60; ++second) {
        rate.add("weights", at(second * 1000), 5);
    }
    EXPECT_FALSE(rate.per_second());
    rate.add("weights", at(60'000), 1'000'005);
    EXPECT_TRUE(rate.per_second());
    rate.add("weights", at(61'000), 0);  // starts over
    EXPECT_FALSE(rate.per_second());
    rate.add("load", at(62'000), 10);
    EXPECT_FALSE(rate.per_second());
}

}  // namespace
}  // namespace nova::lifecycle

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/key_meter.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kBegin{1h};

TEST(MinuteBucket, HoldsAMinutesWorthAndFillsEvenly) {
    MinuteBucket bucket{6};
    for (int i = 0; i < 6; ++i) {
        EXPECT_FALSE(bucket.take(kBegin)) << i;
    }
    EXPECT_EQ(bucket.take(kBegin), std::optional<std::chrono::nanoseconds>{10s});
    EXPECT_EQ(bucket.take(kBegin + 9s), std::optional<std::chrono::nanoseconds>{1s});
    EXPECT_FALSE(bucket.take(kBegin + 10s));
    EXPECT_TRUE(bucket.take(kBegin + 10s));
    for (int i = 0; i < 6; ++i) {
        EXPECT_FALSE(bucket.take(kBegin + 10min)) << "full again, and no fuller: " << i;
    }
    EXPECT_TRUE(bucket.take(kBegin + 10min));
}

TEST(MinuteBucket, WithoutALimitNeverRefuses) {
    MinuteBucket bucket{0};
    bucket.overdraw(kBegin, 1'000'000);
    EXPECT_FALSE(bucket.take(kBegin));
    EXPECT_FALSE(bucket.wait(kBegin));
}

TEST(MinuteBucket, WaitsLongerForWhatWasOverdrawn) {
    MinuteBucket bucket{600};
    EXPECT_FALSE(bucket.wait(kBegin));
    bucket.overdraw(kBegin, 1200);
    ASSERT_TRUE(bucket.wait(kBegin));
    EXPECT_EQ(*bucket.wait(kBegin), 60s + 100ms);
    EXPECT_EQ(bucket.state(kBegin).remaining, 0U);
    EXPECT_EQ(bucket.state(kBegin).reset, 120s);
    EXPECT_FALSE(bucket.wait(kBegin + 60s + 100ms));
}

TEST(MinuteBucket, AnAbsurdCountCostsADayAtMost) {
    MinuteBucket bucket{1};
    bucket.overdraw(kBegin, UINT64_MAX);
    bucket.overdraw(kBegin, UINT64_MAX);
    EXPECT_FALSE(bucket.wait(kBegin + 24h));
}

TEST(MinuteBucket, AHugeLimitStillCounts) {
    MinuteBucket bucket{UINT64_MAX};
    EXPECT_FALSE(bucket.take(kBegin));
}

TEST(MinuteBucket, SeveralThreadsNeverTakeMoreThanThereIs) {
    constexpr int kLimit = 5000;
    MinuteBucket bucket{kLimit};
    std::atomic<int> taken{0};
    {
        std::vector<std::jthread> threads;  // tidy-allow(thread): workers share a bucket
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                for (int n = 0; n < kLimit; ++n) {
                    taken += bucket.take(kBegin) ? 0 : 1;
                }
            });
        }
    }
    EXPECT_EQ(taken, kLimit);
    EXPECT_EQ(bucket.state(kBegin).remaining, 0U);
}

TEST(KeyMeter, TellsWhichLimitAndHowLong) {
    KeyMeter meter{{.requests_per_minute = 2, .tokens_per_minute = 60, .concurrent = 2}};
    EXPECT_FALSE(meter.enter(kBegin));
    EXPECT_FALSE(meter.enter(kBegin));
    auto refused = meter.enter(kBegin);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->limit, KeyMeter::Limit::concurrent);
    meter.leave();
    refused = meter.enter(kBegin);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->limit, KeyMeter::Limit::requests);
    EXPECT_EQ(refused->wait, 30s);
    meter.spend(kBegin + 30s, 61);
    refused = meter.enter(kBegin + 30s);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->limit, KeyMeter::Limit::tokens);
    EXPECT_EQ(refused->wait, 2s);
    EXPECT_EQ(meter.running(), 1U);
    EXPECT_FALSE(meter.enter(kBegin + 32s));
}

TEST(KeyMeter, ARefusalCountsNothing) {
    KeyMeter meter{{.requests_per_minute = 1, .tokens_per_minute = 60}};
    meter.spend(kBegin, 60);
    EXPECT_TRUE(meter.enter(kBegin));
    EXPECT_TRUE(meter.enter(kBegin));
    EXPECT_EQ(meter.running(), 0U);
    EXPECT_EQ(meter.rates(kBegin).requests->remaining, 1U);
}

TEST(KeyMeter, ReportsOnlyTheLimitsItHas) {
    const KeyMeter meter{{.requests_per_minute = 10}};
    const RateState state = meter.rates(kBegin);
    ASSERT_TRUE(state.requests);
    EXPECT_EQ(state.requests->limit, 10U);
    EXPECT_EQ(state.requests->remaining, 10U);
    EXPECT_FALSE(state.tokens);
}

}  // namespace
}  // namespace nova::gateway

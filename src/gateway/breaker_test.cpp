// The breaker's states, and its one probe.
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "gateway/breaker.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1000s};

void ends(Breaker& breaker, Health health, TimePoint now) {
    auto permit = breaker.try_enter(now);
    ASSERT_TRUE(permit);
    permit->ended(health, now);
}

TEST(Breaker, OpensAfterThreeFailuresInARowAndNoFewer) {
    Breaker breaker;
    ends(breaker, Health::bad, kStart);
    ends(breaker, Health::bad, kStart);
    ends(breaker, Health::good, kStart);
    ends(breaker, Health::bad, kStart);
    ends(breaker, Health::bad, kStart);
    EXPECT_TRUE(breaker.try_enter(kStart));
    ends(breaker, Health::bad, kStart);
    EXPECT_FALSE(breaker.try_enter(kStart));
    EXPECT_FALSE(breaker.try_enter(kStart + 29s));
    EXPECT_EQ(breaker.left(kStart + 10s), 20s);
    EXPECT_TRUE(breaker.try_enter(kStart + 30s));
}

TEST(Breaker, LetsExactlyOneProbeThroughAndItDecides) {
    Breaker breaker;
    for (int i = 0; i < 3; ++i) {
        ends(breaker, Health::bad, kStart);
    }
    const TimePoint later = kStart + 31s;
    {
        auto probe = breaker.try_enter(later);
        ASSERT_TRUE(probe);
        EXPECT_TRUE(probe->is_probe());
        EXPECT_FALSE(breaker.try_enter(later));
        probe->ended(Health::bad, later);
    }
    EXPECT_FALSE(breaker.try_enter(later + 59s)) << "the second opening lasts 60 s";
    {
        auto probe = breaker.try_enter(later + 61s);
        ASSERT_TRUE(probe);
        probe->ended(Health::good, later + 61s);
    }
    const auto open = breaker.try_enter(later + 61s);
    EXPECT_TRUE(open && !open->is_probe());
}

TEST(Breaker, LearnsNothingFromAMistakeOfTheClientOrItsLeaving) {
    Breaker breaker;
    for (int i = 0; i < 10; ++i) {
        ends(breaker, Health::unknown, kStart);
    }
    EXPECT_TRUE(breaker.try_enter(kStart));
    for (int i = 0; i < 3; ++i) {
        ends(breaker, Health::bad, kStart);
    }
    ends(breaker, Health::unknown, kStart + 31s);
    // Neither closed nor opened anew: the next one is the probe.
    const auto next = breaker.try_enter(kStart + 31s);
    EXPECT_TRUE(next && next->is_probe());
}

TEST(Breaker, ObeysTheProvidersRetryAfterAndSidelinesARefusedKey) {
    Breaker limited;
    limited.try_enter(kStart)->ended(Health::limited, kStart, 7s);
    EXPECT_FALSE(limited.try_enter(kStart + 6s));
    EXPECT_EQ(word(limited.why()), "rate_limited");
    EXPECT_TRUE(limited.try_enter(kStart + 7s));

    Breaker refused;
    ends(refused, Health::credentials, kStart);
    EXPECT_FALSE(refused.try_enter(kStart + 299s));
    EXPECT_EQ(word(refused.why()), "credentials");
    refused.forget();
    EXPECT_TRUE(refused.try_enter(kStart));
}

TEST(Breaker, WhateverTheOrderNobodyIsCountedForEver) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Random random{seed};
        Breaker breaker;
        TimePoint now = kStart;
        std::vector<Breaker::Permit> permits;
        int probes = 0;
        for (int step = 0; step < 300; ++step) {
            now += std::chrono::seconds{random.below(20)};
            if (random.chance(500)) {
                if (auto permit = breaker.try_enter(now)) {
                    probes += permit->is_probe() ? 1 : 0;
                    permits.push_back(std::move(*permit));
                }
            } else if (!permits.empty()) {
                Breaker::Permit permit{std::move(permits.back())};
                permits.pop_back();
                probes -= permit.is_probe() ? 1 : 0;
                constexpr Health kHealths[] = {
                    Health::good, Health::unknown, Health::bad, Health::limited, Health::credentials
                };
                if (!random.chance(200)) {  // else: cancelled before anybody could tell
                    permit.ended(kHealths[random.below(5)], now);
                }
            }
            ASSERT_LE(probes, 1) << "seed " << seed;
        }
        permits.clear();
        EXPECT_EQ(breaker.under_way(), 0) << "seed " << seed;
        const auto again = breaker.try_enter(now + 1h);
        EXPECT_TRUE(again) << "a way back: seed " << seed;
    }
}

TEST(BreakerBoard, GivesEveryWorkerTheSameBreaker) {
    BreakerBoard board;
    Breaker& one = board.of("cloud/openai");
    EXPECT_EQ(&one, &board.of("cloud/openai"));
    EXPECT_NE(&one, &board.of("cloud/groq"));
}

}  // namespace
}  // namespace nova::gateway

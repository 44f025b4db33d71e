#include <vector>

#include <gtest/gtest.h>

#include "app/loading_eta.hpp"

namespace nova::app {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kBegin{1h};

struct Row {
    const char* name;
    std::vector<ProgressSample> samples;
    TimePoint now;
    std::optional<double> eta;
};

TEST(LoadingEta, IsTheMeasuredRateAndNothingWithoutOne) {
    const std::vector<Row> rows{
        {"nothing is known", {}, kBegin, std::nullopt},
        {"one sample is no rate", {{kBegin, 0.5}}, kBegin + 10s, std::nullopt},
        {"nothing moved", {{kBegin, 0.5}, {kBegin + 10s, 0.5}}, kBegin + 10s, std::nullopt},
        {"too short to measure", {{kBegin, 0.1}, {kBegin + 9ms, 0.2}}, kBegin + 9ms, std::nullopt},
        {"a tenth a second", {{kBegin, 0.0}, {kBegin + 2s, 0.2}}, kBegin + 2s, 8.0},
        {"by the ends, not the steps",
         {{kBegin, 0.2}, {kBegin + 1s, 0.3}, {kBegin + 4s, 0.6}},
         kBegin + 4s,
         4.0},
        {"a stall makes it longer", {{kBegin, 0.0}, {kBegin + 2s, 0.5}}, kBegin + 8s, 8.0},
        {"done", {{kBegin, 0.0}, {kBegin + 2s, 1.0}}, kBegin + 2s, 0.0},
    };
    for (const Row& row : rows) {
        const auto eta = eta_from(row.samples, row.now);
        ASSERT_EQ(eta.has_value(), row.eta.has_value()) << row.name;
        if (eta) {
            EXPECT_NEAR(*eta, *row.eta, 1e-9) << row.name;
        }
    }
}

TEST(LoadingEta, BeginsAnewWithAPhaseAndWithALoadThatStartsOver) {
    LoadingEta eta;
    EXPECT_FALSE(eta.note("pulling", 0.1, kBegin));
    EXPECT_TRUE(eta.note("pulling", 0.2, kBegin + 1s));
    EXPECT_FALSE(eta.note("starting", 0.3, kBegin + 2s)) << "another phase, another rate";
    EXPECT_TRUE(eta.note("starting", 0.4, kBegin + 3s));
    EXPECT_FALSE(eta.note("starting", 0.1, kBegin + 4s)) << "it began again";
    EXPECT_TRUE(eta.note("starting", 0.2, kBegin + 5s));
    EXPECT_FALSE(eta.note("starting", std::nullopt, kBegin + 6s)) << "no longer known";
}

TEST(LoadingEta, ForgetsHowFastItWasLongAgo) {
    LoadingEta eta;
    std::optional<double> last;
    for (int second = 0; second <= 40; ++second) {  // one percent a second at first
        last = eta.note("starting", 0.01 * second, kBegin + std::chrono::seconds{second});
    }
    EXPECT_NEAR(*last, 60.0, 1.0);
    for (int second = 41; second <= 100; ++second) {  // then a tenth of that
        last = eta.note(
            "starting", 0.4 + 0.001 * (second - 40), kBegin + std::chrono::seconds{second}
        );
    }
    EXPECT_NEAR(*last, 540.0, 10.0);
}

}  // namespace
}  // namespace nova::app

#include <gtest/gtest.h>

#include "gateway/server_timing.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

TEST(ServerTiming, TellsNovasPartAndTheProviders) {
    const ServerTiming timing{812'460us, 812'400us};
    EXPECT_EQ(timing.text(), "nova;dur=0.06, upstream;dur=812.40");
    EXPECT_EQ(timing.field().name, "Server-Timing");
    EXPECT_EQ(timing.field().value, timing.text());
}

TEST(ServerTiming, IsNeverNegative) {
    EXPECT_EQ(ServerTiming(1ms, 2ms).text(), "nova;dur=0.00, upstream;dur=2.00");
}

TEST(ServerTiming, HoldsTheLongestTimes) {
    const ServerTiming timing{std::chrono::nanoseconds::max(), 0ns};
    EXPECT_TRUE(timing.text().ends_with("upstream;dur=0.00")) << timing.text();
}

}  // namespace
}  // namespace nova::gateway

#include <gtest/gtest.h>

#include "gateway/request_tap.hpp"

namespace nova::gateway {
namespace {

TEST(RequestTap, CountsAndQueuesEachRequest) {
    Metrics metrics{2, WallTime{}};
    RequestTap tap{metrics, 1, {}};
    RequestRecord record;
    record.request_id = "one";
    record.attempts = 2;
    tap.ended(record);
    tap.gave_up("llamacpp", "timeout");
    EXPECT_EQ(metrics.of_worker[0].attempts().read(), 0U);
    EXPECT_EQ(metrics.of_worker[1].attempts().read(), 2U);
    ASSERT_NE(tap.queue().front(), nullptr);
    EXPECT_EQ(tap.queue().front()->request_id.view(), "one");
}

TEST(RequestTap, CallsTheDrainOnceAndCountsWhatItDrops) {
    Metrics metrics{1, WallTime{}};
    int calls = 0;
    RequestTap tap{metrics, 0, [&calls] { ++calls; }};
    for (std::size_t i = 0; i < UsageQueue::kPlaces + 3; ++i) {
        tap.ended(RequestRecord{});
    }
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(metrics.ledger.dropped, 3U);
}

}  // namespace
}  // namespace nova::gateway

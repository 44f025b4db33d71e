// Polite and hostile values.
#include <gtest/gtest.h>

#include "gateway/retry_after.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

TEST(RetryAfter, ReadsSecondsAndDatesAndBoundsBoth) {
    // Sun, 06 Nov 1994 08:49:37 GMT
    const WallTime now{784111777s};
    const std::pair<std::string_view, std::optional<std::chrono::seconds>> rows[] = {
        {"7", 7s},
        {"0", 1s},
        {"1.5", 1s},
        {"287441", 120s},
        {"99999999999999999999999999", 120s},
        {"Sun, 06 Nov 1994 08:49:57 GMT", 20s},
        {"Sun, 06 Nov 1994 08:49:07 GMT", 1s},
        {"Mon, 06 Nov 2094 08:49:37 GMT", 120s},
        {"", std::nullopt},
        {"-3", std::nullopt},
        {"soon", std::nullopt},
        {"7; DROP", std::nullopt},
    };
    for (const auto& [value, expected] : rows) {
        EXPECT_EQ(retry_after(value, now), expected) << value;
    }
}

}  // namespace
}  // namespace nova::gateway

#include <gtest/gtest.h>

#include "recovery/time_text.hpp"

namespace nova::recovery {
namespace {

TEST(TimeText, ReadsDaysAndTimes) {
    const std::pair<std::string_view, std::string_view> rows[] = {
        {"2026-11-23", "2026-11-23T00:00:00.000Z"},
        {"2026-11-23T10:20:30Z", "2026-11-23T10:20:30.000Z"},
        {"2026-11-23T10:20:30.5Z", "2026-11-23T10:20:30.500Z"},
        {"2026-11-23t10:20:30.123456789z", "2026-11-23T10:20:30.123Z"},
        {"2026-11-23T10:20:30+02:00", "2026-11-23T08:20:30.000Z"},
        {"2026-11-23T23:20:30-01:30", "2026-11-24T00:50:30.000Z"},
        {"2024-02-29", "2024-02-29T00:00:00.000Z"},
    };
    for (const auto& [text, wanted] : rows) {
        const auto time = time_from(text);
        ASSERT_TRUE(time) << text;
        EXPECT_EQ(rfc3339(*time), wanted);
    }
}

TEST(TimeText, RefusesEverythingElse) {
    for (const std::string_view text :
         {"",
          "2026",
          "2026-11",
          "2026-13-01",
          "2026-02-29",
          "2026-11-23T",
          "2026-11-23T10:20",
          "2026-11-23T10:20:30",
          "2026-11-23T25:00:00Z",
          "2026-11-23T10:61:00Z",
          "1969-12-31",
          "9999-01-01",
          "26-11-23",
          "2026-11-23T10:20:30.Z",
          "2026-11-23T10:20:30+2",
          "2026-11-23T10:20:30+24:00",
          "yesterday",
          "-2026-11-23",
          "2026-11-23Z",
          "2026-11-23T10:20:30Z "}) {
        EXPECT_FALSE(time_from(text)) << text;
    }
}

}  // namespace
}  // namespace nova::recovery

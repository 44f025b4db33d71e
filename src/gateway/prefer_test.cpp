#include <gtest/gtest.h>

#include "gateway/prefer.hpp"

namespace nova::gateway {
namespace {

std::optional<std::int64_t> wait_in(std::initializer_list<net::HeaderView> fields) {
    net::Headers headers;
    for (const net::HeaderView& field : fields) {
        headers.add(field.name, field.value);
    }
    const auto wait = preferred_wait(headers);
    return wait ? std::optional{wait->count()} : std::nullopt;
}

struct Row {
    std::string_view value;
    std::optional<std::int64_t> wait;
};

TEST(Prefer, FindsTheWaitAmongOtherPreferences) {
    const Row rows[] = {
        {"wait=30", 30},
        {"respond-async, wait=10", 10},
        {"handling=lenient; wait=7, wait = 5", 5},
        {"WAIT=3;foo=bar", 3},
        {"wait=\"12\"", 12},
        {"x=\"a, wait=9; \\\" wait=8\", wait=4", 4},
        {", ,wait=2,", 2},
        {"wait=1, wait=99", 1},
        {"wait=0", 0},
        {"wait=99999999999999999999999", 1'000'000'000},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(wait_in({{"Prefer", row.value}}), row.wait) << row.value;
    }
    EXPECT_EQ(wait_in({{"prefer", "respond-async"}, {"Prefer", "wait=6"}}), 6);
}

TEST(Prefer, WhatIsNoNumberOfSecondsIsNoPreference) {
    for (const std::string_view value :
         {"", "wait", "wait=", "wait=-1", "wait=1.5", "wait=ten", "waiting=5", "await=5",
          "x=\"wait=5\"", "x=\"wait=5", "wait=5 6", "wait=\"", "x; wait=5"}) {
        EXPECT_EQ(wait_in({{"Prefer", value}}), std::nullopt) << value;
    }
    EXPECT_EQ(wait_in({{"X-Prefer", "wait=5"}}), std::nullopt);
    EXPECT_EQ(wait_in({}), std::nullopt);
}

}  // namespace
}  // namespace nova::gateway

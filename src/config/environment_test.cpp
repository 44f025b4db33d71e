// The environment as a value.
#include <gtest/gtest.h>

#include "config/environment.hpp"

namespace nova::config {
namespace {

TEST(Environment, ReadsTheProcessesOwn) {
    const Environment environment = process_environment();
    ASSERT_TRUE(environment.contains("PATH"));
    EXPECT_FALSE(environment.at("PATH").empty());
}

TEST(Environment, TakesEmptyAsUnset) {
    const Environment environment{{"A", ""}, {"B", "x"}};
    EXPECT_FALSE(value_of(environment, "A"));
    EXPECT_FALSE(value_of(environment, "C"));
    EXPECT_EQ(value_of(environment, "B"), "x");
}

}  // namespace
}  // namespace nova::config

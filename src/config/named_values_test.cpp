#include <gtest/gtest.h>

#include "config/named_values.hpp"

namespace nova::config {
namespace {

TEST(NamedValues, AreTakenApartWithoutTheirBlanks) {
    const auto values = named_values(" a = b=c ,, d,=e, ");
    ASSERT_EQ(values.size(), 3U);
    EXPECT_EQ(values[0].piece, "a = b=c");
    EXPECT_EQ(values[0].name, "a");
    EXPECT_EQ(values[0].value, "b=c");
    EXPECT_EQ(values[1].name, "d");
    EXPECT_EQ(values[1].value, "");
    EXPECT_EQ(values[2].name, "");
    EXPECT_EQ(values[2].value, "e");
    EXPECT_TRUE(named_values("").empty());
}

}  // namespace
}  // namespace nova::config

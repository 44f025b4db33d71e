// Names in strings are no names.
#include <gtest/gtest.h>

#include "gateway/json_scan.hpp"

namespace nova::gateway {
namespace {

constexpr std::string_view kContent = R"("content")";

TEST(JsonScan, SeesValuesThatSaySomethingAndNoOthers) {
    for (const std::string_view text :
         {R"({"content":"H"})", R"({"content" : "H"})", R"({"content":null,"x":{"content":"H"}})",
          R"({"content":[1]})", R"({"content":0})", R"({"content":"\""})"}) {
        EXPECT_TRUE(has_value(text, kContent)) << text;
    }
    for (const std::string_view text :
         {R"({"content":""})", R"({"content":null})", R"({"content":[ ]})", R"({"content":false})",
          R"({"x":"\"content\":\"H\""})", R"({"x":"content"})", R"(["content"])", R"("content":)",
          ""}) {
        EXPECT_FALSE(has_value(text, kContent)) << text;
    }
}

TEST(JsonScan, TakesTheLastNumberOfAName) {
    EXPECT_EQ(last_number(R"({"n":1,"m":{"n": 22}})", R"("n")"), 22U);
    EXPECT_EQ(last_number(R"({"n":1,"m":{"n":null}})", R"("n")"), 1U);
    EXPECT_EQ(last_number(R"({"n":-1})", R"("n")"), std::nullopt);
    EXPECT_EQ(last_number(R"({"s":"\"n\":5"})", R"("n")"), std::nullopt);
}

}  // namespace
}  // namespace nova::gateway

// Names in strings are no names.
#include <array>

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

TEST(JsonScan, TellsTheOutermostMembersFromThoseFurtherIn) {
    for (const std::string_view text :
         {R"({"content":"H"})", R"({"x":{"content":null},"content" : {"a":1}})",
          R"( {"a":["}]\"",{"b":"{"}],"content":1})", R"({"x":"content","content":[1]}})",
          R"({"content":"H","cut)"}) {
        EXPECT_TRUE(has_outer_value(text, kContent)) << text;
    }
    for (const std::string_view text :
         {R"({"x":{"content":"H"}})", R"({"x":[{"content":"H"}],"content":null})",
          R"([{"content":"H"}])", R"({"x":1},{"content":"H"})", R"({"x":"\"content\":\"H\""})",
          R"({"x":"\\","y":{"content":"H"}})", R"("content":"H")", R"({"content":{}})",
          R"({"x":"\)", R"({"content")", ""}) {
        EXPECT_FALSE(has_outer_value(text, kContent)) << text;
    }
    EXPECT_EQ(find_outer_value(R"({"a":{"b":1},"b": 2})", R"("b")"), 18U);
    EXPECT_EQ(find_outer_value(R"({"a":{"b":1}})", R"("b")"), std::string_view::npos);
}

TEST(JsonScan, TakesTheLastNumberOfAName) {
    EXPECT_EQ(last_number(R"({"n":1,"m":{"n": 22}})", R"("n")"), 22U);
    EXPECT_EQ(last_number(R"({"n":1,"m":{"n":null}})", R"("n")"), 1U);
    EXPECT_EQ(last_number(R"({"n":-1})", R"("n")"), std::nullopt);
    EXPECT_EQ(last_number(R"({"s":"\"n\":5"})", R"("n")"), std::nullopt);
}

TEST(JsonScan, TakesTheLastNumbersOfSeveralNamesInOnePass) {
    std::array<NamedNumber, 3> numbers{{{R"("n")"}, {R"("m")"}, {R"("not")"}}};
    last_numbers(
        R"({"n":1,"m" : 5,"x":{"n": 22,"m":null},"nn":7,"s":"\"n\":9","n":-3,"m)", numbers
    );
    EXPECT_EQ(numbers[0].value, 22U);
    EXPECT_EQ(numbers[1].value, 5U);
    EXPECT_EQ(numbers[2].value, std::nullopt);
}

}  // namespace
}  // namespace nova::gateway

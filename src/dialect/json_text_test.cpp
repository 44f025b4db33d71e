// JSON as the codecs read it.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"

namespace nova::dialect {
namespace {

TEST(JsonText, KeepsTheOrderOfMembers) {
    const auto tree = parse_tree(R"( {"b":1,"a":{"z":2,"y":3}} )", "It");
    ASSERT_TRUE(tree);
    EXPECT_EQ(raw_text(*tree), R"({"b":1,"a":{"z":2,"y":3}})");
}

TEST(JsonText, RefusesDepthBombs) {
    EXPECT_TRUE(parse_tree(std::string(128, '[') + std::string(128, ']'), "It"));
    EXPECT_FALSE(parse_tree(std::string(129, '[') + std::string(129, ']'), "It"));
    EXPECT_FALSE(parse_tree(std::string(1'000'000, '['), "It"));
}

TEST(JsonText, FindsObjectsBehindEachOther) {
    EXPECT_EQ(parse_objects(R"({"a":"}"} {"b":2}{})").size(), 3U);
    EXPECT_TRUE(parse_objects(R"({"a":1} x)").empty());
    EXPECT_TRUE(parse_objects(R"({"a":1)").empty());
    EXPECT_TRUE(parse_objects("").empty());
}

TEST(JsonText, InvalidBytesBecomeValidText) {
    EXPECT_EQ(raw_text(Tree("a\xff")), "\"a\xef\xbf\xbd\"");
}

TEST(JsonText, LeavesWhatNobodyAskedFor) {
    const auto tree = parse_tree(R"({"a":1,"b":null,"c":[2]})", "It");
    ASSERT_TRUE(tree);
    Members members{*tree, {}};
    EXPECT_EQ(members.integer("a"), 1);
    const auto rest = members.rest();
    ASSERT_EQ(rest.size(), 2U);
    EXPECT_EQ(rest[0], (std::pair<std::string, RawJson>{"b", "null"}));
    EXPECT_EQ(rest[1], (std::pair<std::string, RawJson>{"c", "[2]"}));
}

}  // namespace
}  // namespace nova::dialect

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova {
namespace {

TEST(ParseJson, RefusesBrokenTextWithoutQuotingIt) {
    const auto broken = parse_json(R"({"secret": "s3cr3t")", "The request body");
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(broken.error().message, "The request body is not valid JSON.");
}

TEST(ParseJson, RefusesADepthBombButNotBracketsInStrings) {
    EXPECT_FALSE(parse_json(std::string(200, '[') + std::string(200, ']'), "x"));
    EXPECT_TRUE(parse_json(std::string(100, '[') + std::string(100, ']'), "x"));
    EXPECT_TRUE(
        parse_json("\"" + std::string(200, '[') + "\\\"" + std::string(200, '{') + "\"", "x")
    );
}

// An engine's line, cut by it within a character.
TEST(JsonText, BytesThatAreNoUtf8AreReplaced) {
    const Json value = {{"log", "token \xe2\x96"}};
    EXPECT_EQ(json_text(value), "{\"log\":\"token \xef\xbf\xbd\"}");
    EXPECT_EQ(json_text(Json{{"a", 1}}, 2), "{\n  \"a\": 1\n}");
}

TEST(JsonReader, ReadsTypedValuesAndTreatsNullAsMissing) {
    const Json value =
        Json::parse(R"({"a":"x","n":3,"f":2.5,"b":true,"o":{},"l":[],"nothing":null})");
    JsonReader reader{value, "body"};
    EXPECT_EQ(reader.text("a"), "x");
    EXPECT_EQ(reader.integer("n"), 3);
    EXPECT_EQ(reader.number("f"), 2.5);
    EXPECT_EQ(reader.boolean("b"), true);
    EXPECT_NE(reader.object("o"), nullptr);
    EXPECT_NE(reader.array("l"), nullptr);
    EXPECT_FALSE(reader.text("nothing"));
    EXPECT_FALSE(reader.error());
}

TEST(JsonReader, NamesThePathOfTheFirstMistake) {
    const Json value = Json::parse(R"({"n":"three","b":1})");
    JsonReader reader{value, "options"};
    EXPECT_FALSE(reader.integer("n"));
    EXPECT_FALSE(reader.boolean("b"));
    ASSERT_TRUE(reader.error());
    EXPECT_EQ(reader.error()->message, "options.n must be a whole number.");
}

TEST(JsonReader, AMissingRequiredValueIsNamed) {
    const Json value = Json::object();
    JsonReader reader{value, "body"};
    EXPECT_EQ(reader.required_text("model"), "");
    ASSERT_TRUE(reader.error());
    EXPECT_EQ(reader.error()->message, "body.model is required.");
}

TEST(JsonReader, SomethingThatIsNoObjectIsSaidSo) {
    const Json value = Json::parse("[1]");
    JsonReader reader{value, "body"};
    ASSERT_TRUE(reader.error());
    EXPECT_EQ(reader.error()->message, "body must be a JSON object.");
}

}  // namespace
}  // namespace nova

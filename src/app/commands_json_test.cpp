// Wrong types are missing members, never a crash.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/commands_json.hpp"

namespace nova::app {
namespace {

TEST(CommandsJson, TakesAWrongTypeAsMissing) {
    const Json right{{"t", "x"}, {"n", 1.5}, {"c", 7}, {"f", true}, {"o", {{"a", 1}}}, {"l", {1}}};
    EXPECT_EQ(text_in(right, "t"), "x");
    EXPECT_EQ(number_in(right, "n"), 1.5);
    EXPECT_EQ(count_in(right, "c"), 7U);
    EXPECT_EQ(flag_in(right, "f"), Flag::on);
    EXPECT_EQ(object_in(right, "o").size(), 1U);
    EXPECT_EQ(array_in(right, "l").size(), 1U);
    for (const Json& wrong :
         {Json(), Json(7), Json::array(), Json::object(),
          Json{{"t", 1}, {"n", "1"}, {"c", -1}, {"f", "true"}, {"o", {1}}, {"l", {{"a", 1}}}},
          Json{
              {"t", nullptr},
              {"n", nullptr},
              {"c", 1.5},
              {"f", nullptr},
              {"o", nullptr},
              {"l", nullptr}
          }}) {
        EXPECT_EQ(text_in(wrong, "t", "-"), "-") << wrong.dump();
        EXPECT_EQ(number_in(wrong, "n", 9), 9) << wrong.dump();
        EXPECT_EQ(count_in(wrong, "c", 9), 9U) << wrong.dump();
        EXPECT_EQ(flag_in(wrong, "f"), Flag::off) << wrong.dump();
        EXPECT_TRUE(object_in(wrong, "o").empty()) << wrong.dump();
        EXPECT_TRUE(array_in(wrong, "l").empty()) << wrong.dump();
    }
}

TEST(CommandsJson, FindsTheRowOfASetting) {
    const Json settings = Json::parse(R"({"settings":[7,{"name":"a","value":1},{"name":"b"}]})");
    ASSERT_NE(setting_in(settings, "b"), nullptr);
    EXPECT_EQ(count_in(*setting_in(settings, "a"), "value"), 1U);
    EXPECT_EQ(setting_in(settings, "c"), nullptr);
    EXPECT_EQ(setting_in(Json(), "a"), nullptr);
}

TEST(CommandsJson, SaysWhatWentWrongLast) {
    EXPECT_TRUE(lines_of_last_failure(Json::object()).empty());
    const Json slot{
        {"last_failure",
         {{"target", "llamacpp x"},
          {"at", "2026-01-01T00:00:00.000Z"},
          {"rolled_back", true},
          {"detail", "It ended."},
          {"remedy", "Fetch it again."}}}
    };
    EXPECT_EQ(
        lines_of_last_failure(slot),
        (std::vector<std::string>{
            "llamacpp x failed at 2026-01-01T00:00:00.000Z and was rolled back: It ended.",
            "Fetch it again."
        })
    );
}

}  // namespace
}  // namespace nova::app

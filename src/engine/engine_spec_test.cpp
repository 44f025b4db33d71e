// The engine files are read strictly.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/engine_registry.hpp"
#include "engine/engine_spec.hpp"

namespace nova::engine {
namespace {

Json smallest() {
    return Json::parse(R"({"name": "x", "title": "X", "protocol": "openai",
        "models_per_instance": "one", "probe": {"path": "/health", "models_path": "/v1/models"}})");
}

std::string complaint(const Json& value) {
    const auto spec = engine_spec_from(value, "x.json");
    return spec ? "" : spec.error().message;
}

TEST(EngineSpec, ReadsTheSmallestFile) {
    const auto spec = engine_spec_from(smallest(), "x.json");
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->start_limit, std::chrono::seconds{120});
}

TEST(EngineSpec, RefusesAKeyItDoesNotKnow) {
    Json value = smallest();
    value["start_limit"] = 5;
    EXPECT_EQ(complaint(value), "x.json.start_limit is not a known key.");
}

TEST(EngineSpec, RefusesAPlaceholderItDoesNotKnow) {
    Json value = smallest();
    value["argv"] = {"--port", "{prot}"};
    EXPECT_EQ(complaint(value), "x.json.argv names {prot}, which nova does not know.");
}

TEST(EngineSpec, NamesThePathOfAWrongValue) {
    Json value = smallest();
    value["probe"].erase("path");
    EXPECT_NE(complaint(value).find("x.json.probe.path is required"), std::string::npos);
    value = smallest();
    value["models_per_instance"] = "two";
    EXPECT_EQ(complaint(value), "x.json.models_per_instance must be one or many.");
    value = smallest();
    value["flags"] =
        Json::array({{{"name", "a"}, {"argv", "-a"}, {"kind", "path"}, {"sentence", "s"}}});
    EXPECT_NE(complaint(value).find("flags[0]"), std::string::npos);
    value = smallest();
    value["option_argv"] = {{"speed", Json::array({"-x"})}};
    EXPECT_NE(complaint(value).find("speed"), std::string::npos);
}

}  // namespace
}  // namespace nova::engine

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

TEST(EngineSpec, NamesThePathOfAMistakeAboutDevices) {
    const std::pair<const char*, Json> mistakes[] = {
        {"needs.metal", Json::parse(R"({"needs": {"metal": {}}})")},
        {"needs.cuda.drivers", Json::parse(R"({"needs": {"cuda": {"drivers": 1}}})")},
        {"families[0].match", Json::parse(R"({"families": [{"match": []}]})")},
        {"container.shm", Json::parse(R"({"container": {"shm": 1}})")},
        {"memory_fraction_most", Json::parse(R"({"memory_fraction_most": 1.5})")},
        {"accelerator_argv", Json::parse(R"({"accelerator_argv": {"cuda": ["{nothing}"]}})")},
        {"accelerator_env", Json::parse(R"({"accelerator_env": {"cpu": {"A": "{nothing}"}}})")},
    };
    for (const auto& [path, mistake] : mistakes) {
        Json value = smallest();
        value.update(mistake);
        EXPECT_TRUE(complaint(value).contains(path)) << path << ": " << complaint(value);
    }
}

}  // namespace
}  // namespace nova::engine

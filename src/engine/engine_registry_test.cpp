// The embedded engines, and the folder that overrides them.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "engine/engine_registry.hpp"

namespace nova::engine {
namespace {

TEST(EngineRegistry, HoldsTheEnginesOfTheContract) {
    const auto registry = EngineRegistry::load("");
    ASSERT_TRUE(registry) << registry.error().message;
    for (const char* name : {"llamacpp", "ollama", "vllm", "sglang", "custom"}) {
        EXPECT_NE(registry->find(name), nullptr) << name;
    }
    EXPECT_EQ(registry->find("none"), nullptr);
    EXPECT_EQ(registry->find("ollama")->models, ModelsPerInstance::many);
    EXPECT_EQ(registry->find("llamacpp")->container_port, 8080);
}

TEST(EngineRegistry, LetsAFolderReplaceAnEngineAndSaysWhatIsWrongWithAFile) {
    const auto folder = std::filesystem::path{testing::TempDir()} / "nova-engine-registry";
    std::filesystem::create_directories(folder);
    const auto file = folder / "llamacpp.json";
    std::ofstream{file} << R"({"name": "llamacpp", "title": "Mine", "protocol": "openai",
        "models_per_instance": "one", "probe": {"path": "/h", "models_path": "/m"}})";
    const auto registry = EngineRegistry::load(folder.string());
    ASSERT_TRUE(registry) << registry.error().message;
    EXPECT_EQ(registry->find("llamacpp")->title, "Mine");
    EXPECT_NE(registry->find("ollama"), nullptr);
    std::ofstream{file} << "{";
    const auto broken = EngineRegistry::load(folder.string());
    ASSERT_FALSE(broken);
    EXPECT_NE(broken.error().message.find("llamacpp.json"), std::string::npos);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace nova::engine

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "app/engine_inventory.hpp"
#include "core/random.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

class EngineInventory : public ::testing::Test {
protected:
    EngineInventory() : root_{fs::temp_directory_path() / ("nova-inventory-" + random_hex(6))} {
        fs::create_directories(root_);
    }

    ~EngineInventory() override { fs::remove_all(root_); }

    void program(const fs::path& path) {
        fs::create_directories(path.parent_path());
        std::ofstream{path} << "#!/bin/sh\n";
        fs::permissions(path, fs::perms::owner_all);
    }

    fs::path root_;
};

TEST_F(EngineInventory, FindsEnginesInTheCacheNewestFirst) {
    program(root_ / "nova/engines/llamacpp-1/llama-server");
    program(root_ / "nova/engines/llamacpp-2/llama-server");
    const auto folders = engine_folders(root_.string(), "/nowhere");
    ASSERT_EQ(folders.size(), 2U);
    EXPECT_TRUE(folders[0].ends_with("llamacpp-2"));
    EXPECT_TRUE(engine_folders((root_ / "none").string(), "/nowhere").empty());
}

// Every machine has a python3; SGLang's own program beside it is the proof.
TEST_F(EngineInventory, DoesNotTakeAnyPythonForSglang) {
    program(root_ / "bin/python3");
    const auto registry = engine::EngineRegistry::load({}).value();
    const auto sglang = [&] {
        const auto list = engine_inventory(registry, {(root_ / "bin").string()});
        return *std::ranges::find(list, "sglang", &recovery::EngineStatus::backend);
    };
    EXPECT_FALSE(sglang().installed);
    EXPECT_TRUE(sglang().why_not.contains("no sglang")) << sglang().why_not;
    program(root_ / "bin/sglang");
    EXPECT_TRUE(sglang().installed);
    EXPECT_TRUE(sglang().program.ends_with("bin/python3"));
}

TEST_F(EngineInventory, SaysWhatIsThereAndWhatWouldHelp) {
    program(root_ / "nova/engines/llamacpp-2/llama-server");
    const auto registry = engine::EngineRegistry::load({}).value();
    const auto list = engine_inventory(registry, engine_folders(root_.string(), "/nowhere"));
    bool seen_llamacpp = false;
    for (const auto& status : list) {
        if (status.backend == "llamacpp") {
            seen_llamacpp = true;
            EXPECT_TRUE(status.installed && status.can_run);
            EXPECT_TRUE(status.program.ends_with("llamacpp-2/llama-server"));
        } else if (status.backend == "ollama") {
            EXPECT_FALSE(status.can_run);
            EXPECT_FALSE(status.why_not.empty());
            EXPECT_FALSE(status.remedy.empty());
        } else if (status.backend == "custom") {
            EXPECT_TRUE(status.can_run);
        }
    }
    EXPECT_TRUE(seen_llamacpp);
}

}  // namespace
}  // namespace nova::app

// Which engine wins, by where it lies.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "app/commands_engines.hpp"
#include "core/random.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

class EnginesTest : public testing::Test {
protected:
    ~EnginesTest() override { fs::remove_all(root_); }

    void program(const std::string& place) {
        const fs::path path = root_ / place;
        fs::create_directories(path.parent_path());
        std::ofstream{path} << "#!/bin/sh\n";
        fs::permissions(path, fs::perms::owner_all);
    }

    config::Environment environment(const std::string& folders) const {
        std::string path;
        for (const char* name : {"a", "b"}) {
            if (folders.find(name) != std::string::npos) {
                path += (path.empty() ? "" : ":") + (root_ / name).string();
            }
        }
        return {{"PATH", path}, {"NOVA_ENGINES_DIR", (root_ / "cache").string()}};
    }

    std::string names(const std::string& folders) const {
        std::string list;
        for (const FoundEngine& engine : find_engines(environment(folders))) {
            list += engine.engine + (engine.on_path ? "+" : "-");
        }
        return list;
    }

    fs::path root_ = fs::temp_directory_path() / ("nova-engines-" + random_hex(8));
};

TEST_F(EnginesTest, WhatStandsEarlierOnPathWins) {
    program("a/ollama");
    program("b/llama-server");
    EXPECT_EQ(names("ab"), "ollama+llamacpp+");
    program("a/llama-server");
    EXPECT_EQ(names("ab"), "llamacpp+ollama+");
}

TEST_F(EnginesTest, TheCacheComesBehindPathAndLlamaCppFirstThere) {
    program("cache/llamacpp-11434/llama-server");
    program("cache/ollama-0.17.4/ollama");
    program("cache/node-24/bin/node");
    EXPECT_EQ(names(""), "llamacpp-ollama-");
    program("a/ollama");
    EXPECT_EQ(names("a"), "ollama+llamacpp-");
}

TEST_F(EnginesTest, ANewerVersionInTheCacheIsTakenAndABrokenOnePassedOver) {
    program("cache/llamacpp-100/llama-server");
    program("cache/llamacpp-200/llama-server");
    fs::create_directories(root_ / "cache/llamacpp-300");  // an installation that was cut short
    const auto found = find_engines(environment(""));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].program, (root_ / "cache/llamacpp-200/llama-server").string());
    EXPECT_TRUE(engine_path(environment("a")).starts_with((root_ / "a").string() + ":"));
    EXPECT_TRUE(engine_path(environment("a"))
                    .ends_with("llamacpp-200:" + (root_ / "cache/llamacpp-100").string()));
}

TEST_F(EnginesTest, NothingInstalledIsAnAnswer) {
    EXPECT_EQ(names("ab"), "");
    EXPECT_FALSE(cached_small_model(environment("")));
    fs::create_directories(root_ / "cache/smollm2-135m");
    std::ofstream{root_ / "cache/smollm2-135m/m.gguf"} << "GGUF";
    EXPECT_TRUE(cached_small_model(environment(""))->ends_with("m.gguf"));
}

TEST_F(EnginesTest, TheScriptLiesInThePrefixOrInTheSourceTree) {
    EXPECT_FALSE(engines_script((root_ / "build/release/nova").string()));
    program("tools/engines.sh");
    EXPECT_EQ(
        engines_script((root_ / "build/release/nova").string()),
        (root_ / "tools/engines.sh").string()
    );
    program("share/nova/engines.sh");
    EXPECT_EQ(
        engines_script((root_ / "bin/nova").string()), (root_ / "share/nova/engines.sh").string()
    );
}

TEST(EnginesCache, FollowsItsVariables) {
    EXPECT_EQ(engines_cache({{"HOME", "/h"}}), "/h/.cache/nova/engines");
    EXPECT_EQ(engines_cache({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/c"}}), "/c/nova/engines");
    EXPECT_EQ(engines_cache({{"HOME", "/h"}, {"NOVA_ENGINES_DIR", "/e"}}), "/e");
    EXPECT_EQ(engines_cache({}), "");
}

}  // namespace
}  // namespace nova::app

// Changing a .env file without losing what people wrote into it.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "config/env_file.hpp"
#include "core/random.hpp"

namespace nova::config {
namespace {

TEST(EnvFile, KeepsCommentsOrderAndForeignLines) {
    EnvFile file = EnvFile::parse("# mine\nA=1\n\nnot a line\nexport B='two words'\nA=3\n");
    EXPECT_EQ(file.get("A"), "3");
    EXPECT_EQ(file.get("B"), "two words");
    EXPECT_FALSE(file.get("C"));
    ASSERT_TRUE(file.set("A", "4"));
    ASSERT_TRUE(file.set("C", "x y"));
    EXPECT_EQ(file.text(), "# mine\nA=1\n\nnot a line\nexport B='two words'\nA=4\nC='x y'\n");
}

TEST(EnvFile, ReadsBackWhateverItWrote) {
    for (const std::string value :
         {"", "plain", "with space", "it's", "a\"b", "$HOME", "it's $5 \\ \"x\"", "#no comment",
          "a # b", "=", "ünï"}) {
        EnvFile file;
        ASSERT_TRUE(file.set("KEY", value)) << value;
        EXPECT_EQ(EnvFile::parse(file.text()).get("KEY"), value) << file.text();
    }
}

TEST(EnvFile, RefusesLineBreaksAndBadNames) {
    EnvFile file;
    for (const std::string& value :
         {std::string{"a\nB=1"}, std::string{"a\rB"}, std::string{"a\0b", 3}}) {
        const auto refused = file.set("A", value);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::unprocessable);
    }
    for (const char* name : {"", "1A", "A-B", "A B", "A="}) {
        EXPECT_FALSE(file.set(name, "x")) << name;
    }
    EXPECT_EQ(file.text(), "");
}

TEST(EnvFile, IsWrittenForItsOwnerOnly) {
    const auto path = std::filesystem::temp_directory_path() / ("nova-env-" + random_hex(8));
    std::ofstream{path} << "OLD=1\n";
    ::chmod(path.c_str(), 0644);
    auto file = EnvFile::read(path);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->set("NEW", "2"));
    ASSERT_TRUE(file->write(path));
    struct stat facts{};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
    EXPECT_EQ(EnvFile::read(path)->text(), "OLD=1\nNEW=2\n");
    std::filesystem::remove(path);
    EXPECT_EQ(EnvFile::read(path)->text(), "");
}

struct ModeRow {
    std::string before;
    std::string mode;
    std::string backend;
    std::string profiles;
    std::string strategy;
};

TEST(SetMode, DerivesProfilesAndStrategyAndKeepsForeignTokens) {
    const ModeRow rows[] = {
        {"", "hybrid", "ollama", "local-ollama", "local-first"},
        {"web, local-ollama ,monitoring", "local-only", "vllm", "web,monitoring,local-vllm",
         "local-only"},
        {"local-ollama,local-vllm", "cloud-only", "vllm", "", "cloud-only"},
        {"web,local-sglang", "cloud-only", "", "web", "cloud-only"},
        {"web", "hybrid", "custom", "web", "local-first"},
        {"local-mine", "hybrid", "", "local-mine", "local-first"},
    };
    for (const ModeRow& row : rows) {
        EnvFile file = EnvFile::parse("COMPOSE_PROFILES=" + row.before + "\n");
        ASSERT_TRUE(set_mode(file, row.mode, row.backend));
        EXPECT_EQ(file.get("COMPOSE_PROFILES"), row.profiles) << row.before;
        EXPECT_EQ(file.get("LLM_ROUTING_STRATEGY"), row.strategy);
        EXPECT_EQ(file.get("NOVA_INFERENCE_MODE"), row.mode);
    }
    EnvFile file;
    EXPECT_FALSE(set_mode(file, "sometimes", "ollama"));
    EXPECT_EQ(file.text(), "");
}

}  // namespace
}  // namespace nova::config

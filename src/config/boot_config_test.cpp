// Layers, addresses and refusals of start-up configuration.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "config/boot_config.hpp"
#include "core/random.hpp"

namespace nova::config {
namespace {

class BootConfigTest : public testing::Test {
protected:
    BootConfigTest() {
        std::filesystem::create_directories(folder_);
        inputs_.default_config_file = folder_ / "absent.toml";
        inputs_.environment = {{"HOME", "/h"}};
        inputs_.cores = 4;
    }

    ~BootConfigTest() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path write(const std::string& text) {
        const auto path = folder_ / "nova.toml";
        std::ofstream{path} << text;
        return path;
    }

    std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("nova-boot-" + random_hex(8));
    BootInputs inputs_;
};

TEST_F(BootConfigTest, HasDefaultsForEverything) {
    const auto config = load_boot_config(inputs_);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->data_dir.value, "/h/.local/share/nova");
    EXPECT_EQ(config->gateway_listen.value.text(), "127.0.0.1:8001");
    EXPECT_EQ(config->control_listen.value.text(), "127.0.0.1:8888");
    EXPECT_EQ(config->workers.value, 4U);
    EXPECT_EQ(config->workers.layer, Layer::built_in);
    inputs_.cores = 64;
    EXPECT_EQ(load_boot_config(inputs_)->workers.value, 8U);
}

TEST_F(BootConfigTest, LaterLayersWinAndSayWhereTheyCameFrom) {
    inputs_.config_file =
        write("workers = 2\ngateway_listen = \"127.0.0.1:1\"\nlog_level=\"warn\"");
    inputs_.environment["NOVA_GATEWAY_LISTEN"] = "127.0.0.1:2";
    inputs_.environment["NOVA_LOG_LEVEL"] = "error";
    inputs_.flags["log_level"] = "debug";
    const auto config = load_boot_config(inputs_);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->workers.value, 2U);
    EXPECT_EQ(config->workers.layer, Layer::file);
    EXPECT_EQ(config->gateway_listen.value.port, 2);
    EXPECT_EQ(config->gateway_listen.where, "NOVA_GATEWAY_LISTEN");
    EXPECT_EQ(config->log_level.value, LogLevel::debug);
    EXPECT_EQ(config->log_level.where, "--log-level");
}

TEST_F(BootConfigTest, SeedsSettingsFromFileAndEnvironment) {
    inputs_.config_file = write("[settings]\ndrain_s = 3\n[settings.gateway]\nstall_s = 7\n");
    inputs_.environment["NOVA_DRAIN_S"] = "4";
    const auto config = load_boot_config(inputs_);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->setting_seeds.at("drain_s").value, "4");
    EXPECT_EQ(config->setting_seeds.at("drain_s").layer, Layer::environment);
    EXPECT_EQ(config->setting_seeds.at("gateway.stall_s").value, "7");
}

// What an engine or a tool beside nova reads is not nova's (docs/traps.md).
TEST_F(BootConfigTest, OtherProgramsVariablesAreNotNovas) {
    const auto before = load_boot_config(inputs_);
    for (const char* name :
         {"OLLAMA_MODELS", "OLLAMA_HOST", "MODELS", "HOST", "PORT", "DATA_DIR"}) {
        inputs_.environment[name] = "/elsewhere:1";
    }
    const auto after = load_boot_config(inputs_);
    ASSERT_TRUE(before && after);
    EXPECT_EQ(after->data_dir.value, before->data_dir.value);
    EXPECT_EQ(after->gateway_listen.value.text(), before->gateway_listen.value.text());
    EXPECT_EQ(after->control_listen.value.text(), before->control_listen.value.text());
    EXPECT_EQ(after->setting_seeds.size(), before->setting_seeds.size());
}

struct Refusal {
    std::string flag;
    std::string text;
    ErrorCode code;
};

TEST_F(BootConfigTest, RefusesWhatCannotBeWithTheFlagsName) {
    const Refusal rows[] = {
        {"role", "gateway", ErrorCode::unsupported},
        {"role", "boss", ErrorCode::invalid_argument},
        {"store", "redis://127.0.0.1:6379", ErrorCode::unsupported},
        {"store", "postgres", ErrorCode::invalid_argument},
        {"workers", "0", ErrorCode::invalid_argument},
        {"workers", "many", ErrorCode::invalid_argument},
        {"log_level", "loud", ErrorCode::invalid_argument},
        {"gateway_listen", "localhost", ErrorCode::invalid_argument},
        {"admin_secret_file", "/nowhere/secret", ErrorCode::invalid_argument},
    };
    for (const Refusal& row : rows) {
        inputs_.flags = {{row.flag, row.text}};
        const auto config = load_boot_config(inputs_);
        ASSERT_FALSE(config) << row.flag << " " << row.text;
        EXPECT_EQ(config.error().code, row.code) << row.text;
        EXPECT_FALSE(config.error().remedy.empty()) << row.text;
        std::string flag = "--" + row.flag;
        std::ranges::replace(flag, '_', '-');
        EXPECT_TRUE(config.error().message.starts_with(flag)) << config.error().message;
    }
}

TEST_F(BootConfigTest, RefusesAControlListenerThatTheNetworkCanReach) {
    inputs_.flags = {{"control_listen", "0.0.0.0:8888"}};
    const auto refused = load_boot_config(inputs_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::forbidden);
    inputs_.flags["behind_tls_proxy"] = "true";
    EXPECT_TRUE(load_boot_config(inputs_));
}

TEST_F(BootConfigTest, RefusesPlaceholderSecrets) {
    for (const char* secret :
         {"changeme", "nova-admin-secret-change-me", "abc", "with space 1234"}) {
        inputs_.environment["NOVA_ADMIN_SECRET"] = secret;
        const auto refused = load_boot_config(inputs_);
        ASSERT_FALSE(refused) << secret;
        EXPECT_EQ(refused.error().word, "placeholder_secret");
        EXPECT_TRUE(refused.error().message.starts_with("NOVA_ADMIN_SECRET"));
    }
    inputs_.environment["NOVA_ADMIN_SECRET"] = "b7e0d3f2a9c84410";
    EXPECT_TRUE(load_boot_config(inputs_));
}

TEST_F(BootConfigTest, NamesFileAndKeyOfAMistake) {
    const std::pair<std::string, std::string> rows[] = {
        {"no_such_key = 1\n", "no_such_key"},
        {"[settings]\ndrain_s = 99999\n", "drain_s"},
        {"[settings]\nnope = 1\n", "nope"},
        {"workers = 1979-05-27\n", "workers"},
        {"= =\n", "line 1"},
    };
    for (const auto& [text, name] : rows) {
        inputs_.config_file = write(text);
        const auto refused = load_boot_config(inputs_);
        ASSERT_FALSE(refused) << text;
        EXPECT_NE(refused.error().message.find("nova.toml"), std::string::npos);
        EXPECT_FALSE(refused.error().remedy.empty()) << text;
        EXPECT_NE(refused.error().message.find(name), std::string::npos) << refused.error().message;
    }
    inputs_.config_file = folder_ / "nowhere.toml";
    EXPECT_FALSE(load_boot_config(inputs_));
}

TEST(ParseListen, ReadsAddressesOfBothFamilies) {
    const std::pair<std::string, std::string> good[] = {
        {"127.0.0.1:8001", "127.0.0.1:8001"}, {"[::1]:0", "[::1]:0"},
        {"localhost:1", "127.0.0.1:1"},       {":8001", "0.0.0.0:8001"},
        {"0.0.0.0:65535", "0.0.0.0:65535"},
    };
    for (const auto& [text, wanted] : good) {
        const auto endpoint = parse_listen(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(endpoint->text(), wanted);
    }
    for (const char* text :
         {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80",
          "example.com:1", "127.0.0.1:80x", "[::1]"}) {
        EXPECT_FALSE(parse_listen(text)) << text;
    }
}

TEST(BootOptions, AreKnownToTheLoader) {
    for (const BootOption& option : boot_options()) {
        EXPECT_TRUE(option.variable.starts_with("NOVA_")) << option.name;
        EXPECT_FALSE(option.sentence.empty()) << option.name;
    }
}

}  // namespace
}  // namespace nova::config

// What the command says before it asks anybody; what it asks is tested in src/conform.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "core/random.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

class Conform : public testing::Test {
protected:
    ~Conform() override { fs::remove(key_file_); }

    std::string run(const ConformOptions& options, bool insecure = false) {
        const config::Environment environment;
        Terminal terminal{Terminal::Kind{}};
        CommandContext context{.environment = environment, .terminal = terminal, .client = {}};
        context.client.json = true;
        context.client.insecure = insecure;
        testing::internal::CaptureStdout();
        code_ = conform_command(context, options);
        std::fflush(stdout);
        return testing::internal::GetCapturedStdout();
    }

    fs::path key_file_ = fs::temp_directory_path() / ("nova-conform-" + random_hex(6));
    ExitCode code_ = ExitCode::failed;
};

TEST_F(Conform, ListsWhatItChecks) {
    const Json list = Json::parse(run({.list = true}));
    EXPECT_EQ(code_, ExitCode::ok);
    EXPECT_GT(list["checks"].size(), 80U);
    EXPECT_EQ(list["checks"][0]["id"], "framing.split-writes");
    EXPECT_EQ(list["checks"][0]["traps"], Json::array({1, 2}));
}

TEST_F(Conform, WantsAnEndpointAndChecksThatExist) {
    run({});
    EXPECT_EQ(code_, ExitCode::usage);
    const std::string text = run({.url = "http://127.0.0.1:1", .only = {"streams"}});
    EXPECT_EQ(code_, ExitCode::usage);
    EXPECT_NE(text.find("no check called streams"), std::string::npos) << text;
}

TEST_F(Conform, SaysThatNobodyListens) {
    run({.url = "127.0.0.1:1/v1"});
    EXPECT_EQ(code_, ExitCode::not_reachable);
}

TEST_F(Conform, SendsNoKeyInTheClearToAnotherMachine) {
    std::ofstream{key_file_} << "sk-secret\n";
    const ConformOptions options{.url = "http://192.0.2.1:1", .key_file = key_file_.string()};
    const std::string text = run(options);
    EXPECT_EQ(code_, ExitCode::precondition);
    EXPECT_EQ(text.find("sk-secret"), std::string::npos);
    std::ofstream{key_file_} << "\n";
    run(options);
    EXPECT_EQ(code_, ExitCode::usage) << "an empty key is a mistake, not no key";
}

}  // namespace
}  // namespace nova::app

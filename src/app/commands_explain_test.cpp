// A log in a file, explained for people and for scripts.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "core/random.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

class Explain : public testing::Test {
protected:
    ~Explain() override { fs::remove(file_); }

    std::string run(const std::string& log, ExplainOptions options, bool json) {
        std::ofstream{file_} << log;
        options.file = file_.string();
        const config::Environment environment;
        Terminal terminal{Terminal::Kind{}};
        CommandContext context{.environment = environment, .terminal = terminal, .client = {}};
        context.client.json = json;
        testing::internal::CaptureStdout();
        code_ = explain_command(context, options);
        std::fflush(stdout);
        return testing::internal::GetCapturedStdout();
    }

    fs::path file_ = fs::temp_directory_path() / ("nova-explain-" + random_hex(6));
    ExitCode code_ = ExitCode::failed;
};

TEST_F(Explain, SaysCauseAndRemedy) {
    const std::string text =
        run("x\nerror: invalid argument: --warp\n", {.engine = "llamacpp", .exit_code = 1}, false);
    EXPECT_EQ(code_, ExitCode::ok);
    EXPECT_NE(text.find("does not know --warp"), std::string::npos) << text;
    EXPECT_NE(text.find("Remove the option"), std::string::npos) << text;
    EXPECT_NE(text.find("trying again does not help"), std::string::npos) << text;
}

TEST_F(Explain, TheSameAsAnObject) {
    const auto known =
        Json::parse(run("the end\n", {.engine = "llamacpp", .exit_signal = 4}, true));
    EXPECT_EQ(known["failure"], "illegal-instruction");
    EXPECT_EQ(known["retry_helps"], false);
    const auto unknown = Json::parse(run("the end\n", {.engine = "llamacpp"}, true));
    EXPECT_TRUE(unknown["failure"].is_null());
    EXPECT_EQ(unknown["log_excerpt"], "the end");
}

}  // namespace
}  // namespace nova::app

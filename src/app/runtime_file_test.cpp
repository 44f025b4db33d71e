// The file of who holds the folder, and of nobody before or after.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/runtime_file.hpp"
#include "process/process_table.hpp"

namespace nova::app {
namespace {

TEST(RuntimeFile, IsOfTheNovaThatHoldsTheFolderAlone) {
    const std::string path = testing::TempDir() + "runtime.json";
    std::ofstream{path} << R"({"pid": 1})";  // as after kill -9
    {
        const RuntimeFile file{path};
        EXPECT_FALSE(std::filesystem::exists(path));
        ASSERT_TRUE(file.write(
            {.gateway = {.host = "127.0.0.1", .port = 8001, .tls = false},
             .control = {.host = "127.0.0.1", .port = 8002, .tls = false},
             .gateway_key = Secret{"k"}}
        ));
        const Json told = Json::parse(std::ifstream{path});
        EXPECT_EQ(told["pid"], ::getpid());
        EXPECT_EQ(told["start_ticks"], process::identity_of(::getpid())->start_ticks);
        EXPECT_EQ(told["gateway"], "127.0.0.1:8001");
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace nova::app

#include <chrono>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "app/run_logs.hpp"
#include "core/random.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

TEST(RunLogs, KeepsTheNewestAndLeavesOtherFilesAlone) {
    const fs::path folder = fs::temp_directory_path() / ("nova-logs-" + random_hex(6));
    fs::create_directories(folder);
    const auto now = fs::file_time_type::clock::now();  // tidy-allow(clock): ages of files
    for (int i = 0; i < 5; ++i) {
        const fs::path file = folder / ("local-" + std::to_string(i) + ".log");
        std::ofstream{file} << i;
        fs::last_write_time(file, now - std::chrono::hours{5 - i});
    }
    std::ofstream{folder / "notes.txt"} << "mine";
    std::ofstream{folder / "embed-1.log"} << "of another slot, and older than all of these";
    fs::last_write_time(folder / "embed-1.log", now - std::chrono::hours{9});
    std::ofstream{folder / "failed-local.log"} << "why";
    fs::last_write_time(folder / "failed-local.log", now - std::chrono::hours{9});
    EXPECT_EQ(prune_run_logs(folder, 2), 3U);
    EXPECT_FALSE(fs::exists(folder / "local-2.log"));
    EXPECT_TRUE(fs::exists(folder / "local-3.log"));
    EXPECT_TRUE(fs::exists(folder / "local-4.log"));
    EXPECT_TRUE(fs::exists(folder / "notes.txt"));
    EXPECT_TRUE(fs::exists(folder / "embed-1.log"));
    EXPECT_TRUE(fs::exists(folder / "failed-local.log"));
    EXPECT_EQ(prune_run_logs(folder / "missing", 2), 0U);
    fs::remove_all(folder);
}

}  // namespace
}  // namespace nova::app

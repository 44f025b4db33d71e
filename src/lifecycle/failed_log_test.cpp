// What is kept, and that it outlives its first name.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "lifecycle/failed_log.hpp"

namespace nova::lifecycle {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
    std::ifstream in{path};
    return {std::istreambuf_iterator<char>{in}, {}};
}

TEST(FailedLog, KeepsTheNewestFailedRunWhenItsOwnNameGoes) {
    const fs::path folder = fs::temp_directory_path() / ("nova-failed-" + random_hex(6));
    fs::create_directories(folder);
    std::ofstream{folder / "local-1.log"} << "first";
    std::ofstream{folder / "local-2.log"} << "second";
    const SlotName slot{"local"};
    EXPECT_EQ(keep_failed_log(folder / "local-1.log", slot), folder / "failed-local.log");
    EXPECT_EQ(keep_failed_log(folder / "local-2.log", slot), folder / "failed-local.log");
    EXPECT_EQ(keep_failed_log(folder / "local-2.log", slot), folder / "failed-local.log");
    fs::remove(folder / "local-2.log");
    EXPECT_EQ(text_of(folder / "failed-local.log"), "second");
    EXPECT_EQ(keep_failed_log(folder / "missing.log", slot), "");
    EXPECT_EQ(keep_failed_log("", slot), "");
    EXPECT_EQ(text_of(folder / "failed-local.log"), "second") << "a failure to keep loses nothing";
    fs::remove(folder / "local-1.log");
    fs::remove(folder / "failed-local.log");
    EXPECT_TRUE(fs::is_empty(folder)) << "nothing else is left behind";
    fs::remove_all(folder);
}

}  // namespace
}  // namespace nova::lifecycle

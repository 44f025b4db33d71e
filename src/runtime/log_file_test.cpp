// Ends of logs, and logs that replace others.
#include <filesystem>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "runtime/log_file.hpp"

namespace nova::runtime {
namespace {

class LogFile : public testing::Test {
protected:
    ~LogFile() override { std::filesystem::remove_all(folder_); }

    std::string folder_ = testing::TempDir() + "nova-log-" + random_hex(6);
    std::string path_ = folder_ + "/logs/run.log";
};

TEST_F(LogFile, GivesWholeLinesOfItsEnd) {
    ASSERT_TRUE(write_log(path_, "first line\nsecond\nthird\n"));
    EXPECT_EQ(tail_of_log(path_, Bytes{1000}, "x"), "first line\nsecond\nthird\n");
    EXPECT_EQ(tail_of_log(path_, Bytes{15}, "x"), "second\nthird\n");
    EXPECT_EQ(tail_of_text("first line\nsecond\nthird\n", Bytes{15}), "second\nthird\n");
    EXPECT_EQ(tail_of_text("short\n", Bytes{15}), "short\n");
    EXPECT_EQ(tail_of_log(folder_ + "/none", Bytes{15}, "x").error().code, ErrorCode::not_found);
}

TEST_F(LogFile, LeavesASecondNameOfTheOldOneAlone) {
    ASSERT_TRUE(write_log(path_, "failed\n"));
    std::filesystem::create_hard_link(path_, folder_ + "/logs/kept.log");
    ASSERT_TRUE(write_log(path_, "new\n"));
    EXPECT_EQ(tail_of_log(folder_ + "/logs/kept.log", Bytes{99}, "x"), "failed\n");
    const auto mode = std::filesystem::status(path_).permissions();
    EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(LogFile, SaysWhatIsWrongWithAFolder) {
    EXPECT_EQ(make_log_folder("").error().code, ErrorCode::invalid_argument);
    ASSERT_TRUE(write_log(path_, "a file\n"));
    EXPECT_EQ(make_log_folder(path_ + "/x.log").error().code, ErrorCode::precondition);
}

}  // namespace
}  // namespace nova::runtime

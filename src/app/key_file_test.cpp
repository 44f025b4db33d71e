#include <fstream>

#include <gtest/gtest.h>

#include "app/key_file.hpp"

namespace nova::app {
namespace {

TEST(KeyFile, IsItsFirstLineWithoutTheBlanksBehind) {
    const std::string file = testing::TempDir() + "nova-key-file-test";
    std::ofstream{file} << "sk-one \r\nsk-two\n";
    EXPECT_EQ(key_in(file), "sk-one");
    std::ofstream{file} << " \n";
    EXPECT_EQ(key_in(file), "");
    EXPECT_EQ(key_in(file + "-missing"), "");
}

}  // namespace
}  // namespace nova::app

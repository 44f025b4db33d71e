// What a user may have named as a model file, and the sentence each gets.
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/byte_source.hpp"

namespace nova::catalog {
namespace {

constexpr uid_t kNobody = 65534;

namespace fs = std::filesystem;

class FileBytesTest : public testing::Test {
protected:
    FileBytesTest() {
        std::string pattern = (fs::temp_directory_path() / "nova-bytes-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
    }

    ~FileBytesTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    fs::path folder_;
};

TEST_F(FileBytesTest, ReadsFromAnywhereAndStopsAtTheEnd) {
    std::ofstream{folder_ / "f"} << "0123456789";
    auto file = FileBytes::open(folder_ / "f");
    ASSERT_TRUE(file.has_value());
    EXPECT_EQ(file->size(), 10U);
    std::array<std::byte, 4> four{};
    EXPECT_EQ(file->read_at(3, four), 4U);
    EXPECT_EQ(four[0], std::byte{'3'});
    EXPECT_EQ(file->read_at(8, four), 2U);
    EXPECT_EQ(file->read_at(99, four), 0U);
}

TEST_F(FileBytesTest, ExplainsWhatIsNoFile) {
    const auto missing = FileBytes::open(folder_ / "none.gguf");
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
    EXPECT_TRUE(missing.error().message.contains("There is no file"));

    const auto folder = FileBytes::open(folder_);
    ASSERT_FALSE(folder.has_value());
    EXPECT_TRUE(folder.error().message.contains("is a directory"));
    EXPECT_TRUE(folder.error().remedy.contains(".gguf"));

    ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
    const auto pipe = FileBytes::open(folder_ / "pipe");  // must not wait for a writer
    ASSERT_FALSE(pipe.has_value());
    EXPECT_TRUE(pipe.error().message.contains("not a regular file"));
}

TEST_F(FileBytesTest, SaysWhenAFileMayNotBeRead) {
    std::ofstream{folder_ / "secret"} << "x";
    ASSERT_EQ(::chmod((folder_ / "secret").c_str(), 0), 0);
    // Root may read everything, so the test looks with the eyes of nobody.
    const bool root = ::geteuid() == 0;
    if (root) {
        ASSERT_EQ(::seteuid(kNobody), 0);
    }
    const auto file = FileBytes::open(folder_ / "secret");
    if (root) {
        ASSERT_EQ(::seteuid(0), 0);
    }
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::forbidden);
    EXPECT_TRUE(file.error().remedy.contains("chmod"));
}

TEST(MemoryBytes, ReadsLikeAFile) {
    const std::array<std::byte, 3> three{std::byte{1}, std::byte{2}, std::byte{3}};
    MemoryBytes source{three};
    std::array<std::byte, 2> two{};
    EXPECT_EQ(source.read_at(2, two), 1U);
    EXPECT_EQ(two[0], std::byte{3});
    EXPECT_EQ(source.read_at(3, two), 0U);
}

}  // namespace
}  // namespace nova::catalog

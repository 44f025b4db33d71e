#include <cerrno>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "catalog/part_file.hpp"
#include "core/random.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

class PartFileTest : public testing::Test {
protected:
    PartFileTest() : folder_{fs::temp_directory_path() / ("nova-part-" + random_hex(6))} {}

    ~PartFileTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    static std::string content(const fs::path& path) {
        std::ifstream in{path, std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    fs::path folder_;
};

TEST_F(PartFileTest, GrowsOverSeveralOpensAndAppearsWhole) {
    const fs::path part = folder_ / "a" / "m.gguf.part";
    {
        auto file = PartFile::open(part);
        ASSERT_TRUE(file) << file.error().message;
        ASSERT_TRUE(file->append("first "));
    }
    auto file = PartFile::open(part);
    EXPECT_EQ(file->size(), 6U);
    ASSERT_TRUE(file->append("second"));
    std::string some(20, '\0');
    EXPECT_EQ(file->read_at(6, some), 6U);
    ASSERT_TRUE(file->publish(folder_ / "a" / "m.gguf"));
    EXPECT_EQ(content(folder_ / "a" / "m.gguf"), "first second");
    EXPECT_FALSE(fs::exists(part));
    ASSERT_TRUE(write_whole(folder_ / "a" / "m.json", "{}"));
    EXPECT_EQ(content(folder_ / "a" / "m.json"), "{}");
}

TEST_F(PartFileTest, RemovesWhatIsThere) {
    ASSERT_TRUE(write_whole(folder_ / "m.json", "{}"));
    EXPECT_TRUE(remove_durably(folder_ / "m.json"));
    EXPECT_FALSE(fs::exists(folder_ / "m.json"));
    EXPECT_TRUE(remove_durably(folder_ / "m.json"));
    EXPECT_EQ(remove_durably(folder_).error().code, ErrorCode::precondition);
}

ssize_t full_disk(int /*fd*/, const void* /*bytes*/, std::size_t /*size*/) {
    errno = ENOSPC;
    return -1;
}

TEST_F(PartFileTest, SaysThatTheDiskIsFull) {
    auto file = PartFile::open(folder_ / "m.part", &full_disk);
    ASSERT_TRUE(file);
    const auto written = file->append("x");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::exhausted);
    EXPECT_TRUE(written.error().remedy.contains("Make room")) << written.error().remedy;
    EXPECT_GT(free_space(folder_)->count, 0U);
    EXPECT_FALSE(free_space(folder_ / "absent"));
    EXPECT_EQ(PartFile::open("/proc/none/x").error().code, ErrorCode::precondition);
}

}  // namespace
}  // namespace nova::catalog

// Which file a name means.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/file_descriptor.hpp"
#include "process/program_search.hpp"
#include "process/test_loop.hpp"

namespace nova::process {
namespace {

class ProgramSearch : public testing::Test {
protected:
    std::string make(const std::string& folder, mode_t mode) {
        std::filesystem::create_directories(folder_.file(folder));
        const std::string path = folder_.file(folder) + "/tool";
        const FileDescriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode)};
        return path;
    }

    TestFolder folder_;
};

TEST_F(ProgramSearch, TakesTheFirstFolderThatHasAnExecutableFile) {
    make("text", 0600);
    std::filesystem::create_directories(folder_.file("folder/tool"));
    const std::string first = make("first", 0700);
    make("second", 0700);
    const std::vector<std::string> folders{
        folder_.file("none"), folder_.file("text"), folder_.file("folder"), folder_.file("first"),
        folder_.file("second")
    };
    EXPECT_EQ(find_program("tool", folders), first);
}

TEST_F(ProgramSearch, ChecksAPathWithoutSearching) {
    const std::string path = make("first", 0700);
    EXPECT_EQ(find_program(path, {}), path);
    EXPECT_EQ(find_program(folder_.file("none/tool"), {folder_.file("first")}), std::nullopt);
}

TEST_F(ProgramSearch, FindsNothingWithoutANameOrFolders) {
    EXPECT_EQ(find_program("", {folder_.path()}), std::nullopt);
    EXPECT_EQ(find_program("sh", {}), std::nullopt);
}

TEST_F(ProgramSearch, TakesAPathListApartWithoutTheCurrentFolder) {
    EXPECT_EQ(folders_of("/a:/b c::/d:"), (std::vector<std::string>{"/a", "/b c", "/d"}));
    EXPECT_TRUE(folders_of("").empty());
}

}  // namespace
}  // namespace nova::process

// The folder: where it is, who may use it, what lies in it.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/data_directory.hpp"
#include "store/files.hpp"

namespace nova::store {
namespace {

class Directory : public testing::Test {
protected:
    Directory() {
        std::string pattern = testing::TempDir() + "nova-data-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        path_ = folder_ + "/data";
    }

    ~Directory() override { std::filesystem::remove_all(folder_); }

    static mode_t mode_of(const std::string& path) {
        struct stat facts{};
        EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
        return facts.st_mode & 0777U;
    }

    DataDirectory open() {
        auto directory = DataDirectory::open(path_);
        EXPECT_TRUE(directory) << directory.error().message;
        return *std::move(directory);
    }

    void write(const std::string& name, const std::string& text, mode_t mode) const {
        std::filesystem::create_directories(path_);
        std::ofstream{path_ + "/" + name} << text;
        ::chmod((path_ + "/" + name).c_str(), mode);
    }

    std::string folder_;
    std::string path_;
};

TEST(DataDirectoryPlace, IsNamedByTheStrongestThatSaysAnything) {
    DataDirectoryPlaces places{
        .option = "/option", .nova_data_dir = "/nova", .xdg_data_home = "/xdg", .home = "/home/u"
    };
    EXPECT_EQ(resolve_data_directory(places), "/option");
    places.option.clear();
    EXPECT_EQ(resolve_data_directory(places), "/nova");
    places.nova_data_dir.clear();
    EXPECT_EQ(resolve_data_directory(places), "/xdg/nova");
    places.xdg_data_home = "relative";
    EXPECT_EQ(resolve_data_directory(places), "/home/u/.local/share/nova");
    places = {};
    EXPECT_EQ(resolve_data_directory(places).error().code, ErrorCode::precondition);
}

TEST(DataDirectoryPlace, IsAlwaysAnAbsolutePathWithoutDetours) {
    EXPECT_EQ(resolve_data_directory({.option = "/a/../b/./c/"}), "/b/c");
    const auto relative = resolve_data_directory({.option = "data"});
    EXPECT_EQ(relative, std::filesystem::current_path().string() + "/data");
}

TEST_F(Directory, IsMadeForItsUserOnly) {
    const mode_t before = ::umask(0);
    path_ = folder_ + "/deep/data";
    const DataDirectory directory = open();
    EXPECT_TRUE(directory.admin_secret());
    ::umask(before);
    EXPECT_EQ(mode_of(path_), 0700U);
    for (const char* name : {"lock", "install-id", "admin-secret"}) {
        EXPECT_EQ(mode_of(directory.file(name)), 0600U) << name;
    }
}

TEST_F(Directory, KeepsItsInstallId) {
    const InstallId first = open().install_id();
    EXPECT_EQ(first.value.size(), 16U);
    EXPECT_EQ(open().install_id(), first);
    path_ = folder_ + "/other";
    EXPECT_NE(open().install_id(), first);
}

TEST_F(Directory, RefusesADamagedInstallIdInsteadOfDisowningWhatRuns) {
    for (const std::string text : {"", "0123456789abcde", "0123456789ABCDEF\n", "a/b"}) {
        write("install-id", text, 0600);
        const auto directory = DataDirectory::open(path_);
        ASSERT_FALSE(directory) << text;
        EXPECT_EQ(directory.error().code, ErrorCode::corrupt);
    }
    write("install-id", "0123456789abcdef\n", 0600);
    EXPECT_EQ(open().install_id().value, "0123456789abcdef");
}

TEST_F(Directory, BelongsToOneNovaAtATimeAndSaysToWhich) {
    const DataDirectory first = open();
    const auto second = DataDirectory::open(path_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::precondition);
    EXPECT_EQ(policy(second.error().code).exit_code, ExitCode::precondition);
    EXPECT_NE(second.error().message.find(path_), std::string::npos);
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
    EXPECT_FALSE(second.error().remedy.empty());
}

TEST_F(Directory, IsFreeAgainWhenItsHolderGoes) {
    {
        const DataDirectory first = open();
    }
    EXPECT_TRUE(DataDirectory::open(path_));
}

TEST_F(Directory, IsFreeAgainWhenItsHolderIsKilled) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto directory = DataDirectory::open(path_);
        const char answer = directory ? 'y' : 'n';
        if (::write(ends[1], &answer, 1) != 1) {
            ::_exit(1);
        }
        ::pause();
        ::_exit(0);
    }
    char answer = 0;
    ASSERT_EQ(::read(ends[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    const auto while_held = DataDirectory::open(path_);
    ASSERT_FALSE(while_held);
    EXPECT_NE(while_held.error().message.find(std::to_string(child)), std::string::npos);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(DataDirectory::open(path_));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(Directory, CanBeMovedAsAValue) {
    DataDirectory first = open();
    const DataDirectory second = std::move(first);
    EXPECT_FALSE(DataDirectory::open(path_));
    EXPECT_EQ(second.path(), path_);
}

TEST_F(Directory, SaysThatAPathCannotBeAFolder) {
    std::ofstream{path_} << "a file";
    for (const std::string& path : {path_, path_ + "/below"}) {
        const auto directory = DataDirectory::open(path);
        ASSERT_FALSE(directory);
        EXPECT_EQ(directory.error().code, ErrorCode::precondition);
        EXPECT_NE(directory.error().message.find(path), std::string::npos);
        EXPECT_FALSE(directory.error().remedy.empty());
    }
}

TEST_F(Directory, SaysThatAFolderCannotBeWritten) {
    std::filesystem::create_directories(path_);
    ::chmod(path_.c_str(), 0555);
    ::chmod(folder_.c_str(), 0755);
    // Root may write anywhere: ask as a user who may not.
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (::getuid() == 0 && ::setuid(65534) != 0) {
            ::_exit(90);
        }
        const auto directory = DataDirectory::open(path_);
        const bool right = !directory && directory.error().code == ErrorCode::precondition &&
                           directory.error().message.find(path_) != std::string::npos;
        ::_exit(right ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    ::chmod(path_.c_str(), 0755);
}

TEST_F(Directory, WritesARandomSecretOnceAndReadsItBack) {
    const DataDirectory directory = open();
    EXPECT_EQ(read_admin_secret(path_).error().code, ErrorCode::not_found);
    const auto first = directory.admin_secret();
    ASSERT_TRUE(first);
    EXPECT_GE(first->reveal().size(), 32U);
    EXPECT_EQ(directory.admin_secret()->reveal(), first->reveal());
    EXPECT_EQ(read_admin_secret(path_)->reveal(), first->reveal());
}

TEST_F(Directory, RefusesACopyOfOneInUse) {
    auto first = DataDirectory::open(path_);
    ASSERT_TRUE(first);
    const std::string copy = folder_ + "/copy";
    std::filesystem::create_directories(copy);
    std::filesystem::copy_file(path_ + "/install-id", copy + "/install-id");
    const auto second = DataDirectory::open(copy);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::precondition);
    EXPECT_NE(second.error().remedy.find("install-id"), std::string::npos);
    first = fail(ErrorCode::unavailable, "closed");
    EXPECT_TRUE(DataDirectory::open(copy)) << "the other one has ended";
}

TEST_F(Directory, TakesASecretThatAHumanChose) {
    write("admin-secret", "  correct horse battery staple \n", 0600);
    EXPECT_EQ(read_admin_secret(path_)->reveal(), "correct horse battery staple");
}

TEST_F(Directory, RefusesAPlaceholderAsSecret) {
    for (const std::string text :
         {"", "\n", "changeme", "ChangeMe\n", "please-changeme-now", "admin", "secret", "password",
          "PLACEHOLDER", "your-admin-secret-here", "<your secret here>", "short"}) {
        write("admin-secret", text, 0600);
        const auto secret = read_admin_secret(path_);
        ASSERT_FALSE(secret) << text;
        EXPECT_EQ(secret.error().code, ErrorCode::unauthorized) << text;
        EXPECT_NE(secret.error().message.find("admin-secret"), std::string::npos);
        EXPECT_FALSE(secret.error().remedy.empty());
        // What it refuses is a value nobody should see in a log.
        if (text.size() > 6) {
            EXPECT_EQ(secret.error().message.find(text), std::string::npos);
        }
    }
}

TEST_F(Directory, RefusesASecretThatOthersCanRead) {
    for (const mode_t mode : {0644U, 0640U, 0604U, 0660U}) {
        write("admin-secret", "correct horse battery staple", mode);
        const auto secret = read_admin_secret(path_);
        ASSERT_FALSE(secret);
        EXPECT_EQ(secret.error().code, ErrorCode::unauthorized);
        EXPECT_NE(secret.error().remedy.find("chmod 600"), std::string::npos);
    }
}

TEST_F(Directory, ReplacesAFileWholeOrNotAtAll) {
    const std::string file = folder_ + "/file";
    ASSERT_TRUE(write_file_atomically(file, "one"));
    ASSERT_TRUE(write_file_atomically(file, "two"));
    EXPECT_EQ(read_small_file(file, 10), "two");
    EXPECT_EQ(mode_of(file), 0600U);
    EXPECT_FALSE(std::filesystem::exists(file + ".new"));
    std::filesystem::create_directories(folder_ + "/busy/x");
    EXPECT_EQ(
        write_file_atomically(folder_ + "/busy", "text").error().code, ErrorCode::precondition
    );
    EXPECT_EQ(
        write_file_atomically(folder_ + "/none/file", "text").error().code, ErrorCode::precondition
    );
}

TEST_F(Directory, ReadsSmallFilesOnly) {
    const std::string file = folder_ + "/file";
    ASSERT_TRUE(write_file_atomically(file, "12345"));
    EXPECT_EQ(read_small_file(file, 5), "12345");
    EXPECT_EQ(read_small_file(file, 4).error().code, ErrorCode::precondition);
    EXPECT_EQ(read_small_file(folder_, 4).error().code, ErrorCode::precondition);
    EXPECT_EQ(read_small_file(folder_ + "/none", 4).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace nova::store

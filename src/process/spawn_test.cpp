// What a child inherits: what was named, and nothing else.
#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/spawn.hpp"
#include "process/test_loop.hpp"

namespace nova::process {
namespace {

// Runs the script to its end and returns what it wrote.
std::string output_of(const std::string& script, SpawnRequest request = {}) {
    const TestFolder folder;
    const FileDescriptor out{
        ::open(folder.file("out").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)
    };
    request.program = "/bin/sh";
    request.argv = {"-c", script};
    const auto child = spawn(request, out.get(), out.get());
    EXPECT_TRUE(child);
    if (child) {
        ::waitpid(static_cast<pid_t>(child->pid), nullptr, 0);
    }
    return folder.text_of("out");
}

TEST(Spawn, GivesExactlyTheEnvironmentItWasTold) {
    ::setenv("NOVA_TEST_SECRET", "do-not-inherit", 1);
    const std::string text =
        output_of("tr '\\0' '\\n' </proc/self/environ", {.env = {"A=1", "B=two words"}});
    ::unsetenv("NOVA_TEST_SECRET");
    // The shell adds variables of its own (PWD and the like) to what it hands on.
    EXPECT_NE(text.find("A=1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("B=two words\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("do-not-inherit"), std::string::npos) << text;
    EXPECT_EQ(text.find("HOME="), std::string::npos) << text;
}

TEST(Spawn, InheritsNoDescriptorBesidesTheThree) {
    // Not close-on-exec, as a careless library would leave it.
    const FileDescriptor leak{::open("/etc/passwd", O_RDONLY)};
    const FileDescriptor high{::fcntl(leak.get(), F_DUPFD, 200)};
    ASSERT_TRUE(high.open());
    // The glob is expanded by the shell itself, which opens one descriptor to list the folder.
    const std::string text = output_of("for f in /proc/$$/fd/*; do readlink $f; done");
    EXPECT_EQ(text.find("/etc/passwd"), std::string::npos) << text;
    EXPECT_NE(text.find("/dev/null"), std::string::npos) << text;
}

TEST(Spawn, ReadsEndOfFileFromStandardInput) {
    EXPECT_EQ(output_of("cat; echo end"), "end\n");
}

TEST(Spawn, OpensASessionOfItsOwn) {
    EXPECT_EQ(
        output_of("read -r p n s pp g sid rest </proc/$$/stat; [ $sid = $$ ] && echo own"), "own\n"
    );
}

TEST(Spawn, ResetsSignalsThatTheCallerIgnoresOrBlocks) {
    sigset_t blocked;
    sigset_t before;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &blocked, &before);
    auto* const old = ::signal(SIGPIPE, SIG_IGN);
    const std::string text = output_of("grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2");
    ::signal(SIGPIPE, old);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ASSERT_EQ(text.size(), 34U) << text;
    EXPECT_EQ(std::stoull(text.substr(0, 16), nullptr, 16), 0U);
    // Signals 32 and 33 are the C library's own; posix_spawn leaves them ignored.
    EXPECT_EQ(std::stoull(text.substr(17), nullptr, 16) & 0x7fffffffU, 0U);
}

TEST(Spawn, StartsInTheFolderItWasTold) {
    EXPECT_EQ(output_of("pwd -P", {.working_directory = "/usr/bin"}).find("/usr/bin"), 0U);
}

TEST(Spawn, PassesArgumentsWithoutAShell) {
    const TestFolder folder;
    const FileDescriptor out{
        ::open(folder.file("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)
    };
    const auto child = spawn(
        {.program = "/bin/echo",
         .argv = {"$HOME", "a b", "; exit 1"},
         .env = {},
         .working_directory = {}},
        out.get(), out.get()
    );
    ASSERT_TRUE(child);
    ::waitpid(static_cast<pid_t>(child->pid), nullptr, 0);
    EXPECT_EQ(folder.text_of("out"), "$HOME a b ; exit 1\n");
}

TEST(Spawn, NamesTheProgramThatCannotBeStarted) {
    const TestFolder folder;
    const FileDescriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    const auto missing = spawn({.program = folder.file("none")}, null.get(), null.get());
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
    EXPECT_NE(missing.error().message.find(folder.file("none")), std::string::npos);

    const FileDescriptor text{
        ::open(folder.file("text").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)
    };
    const auto not_executable = spawn({.program = folder.file("text")}, null.get(), null.get());
    ASSERT_FALSE(not_executable);
    EXPECT_EQ(not_executable.error().code, ErrorCode::forbidden);
}

}  // namespace
}  // namespace nova::process

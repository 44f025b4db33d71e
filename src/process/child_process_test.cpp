// Real programs: how they end, who is told, and that nothing is left.
#include <algorithm>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/random.hpp"
#include "process/child_process.hpp"
#include "process/test_loop.hpp"

namespace nova::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ChildProcess : public testing::Test {
protected:
    ProcessIdentity start(const std::string& script) {
        auto child = children_.start(
            {.program = "/bin/sh",
             .argv = {"-c", script},
             .env = {"PATH=/usr/bin:/bin", "NOVA_TEST_MARK=" + mark_},
             .working_directory = folder_.path()},
            folder_.file("log")
        );
        EXPECT_TRUE(child) << child.error().message;
        return child.value_or(ProcessIdentity{});
    }

    // Until the child wrote this line.
    void await_line(const std::string& line) { loop_.await(poll_for(line)); }

    Task<bool> poll_for(std::string line) {
        asio::steady_timer timer{loop_.context()};
        for (int i = 0; i < 3000 && folder_.text_of("log").find(line) == std::string::npos; ++i) {
            timer.expires_after(milliseconds{10});
            co_await timer.async_wait(asio::use_awaitable);
        }
        EXPECT_NE(folder_.text_of("log").find(line), std::string::npos) << line;
        co_return true;
    }

    ProcessFamily family(const ProcessIdentity& leader) const {
        return {.leader = leader, .marker_key = "NOVA_TEST_MARK", .marker_value = mark_};
    }

    Result<void> end(const ProcessIdentity& leader, EndBy by, milliseconds grace = seconds{20}) {
        return loop_.await(end_family(
            {.family = family(leader),
             .by = by,
             .stop_signal = SIGTERM,
             .grace = Deadline::in(clock_, grace),
             .give_up = Deadline::in(clock_, grace + seconds{20})}
        ));
    }

    static bool is_zombie_or_alive(const ProcessIdentity& identity) {
        return open_pidfd(identity).open();
    }

    TestLoop loop_;
    TestFolder folder_;
    SystemClock clock_;
    std::string mark_ = random_hex(8);
    ChildProcesses children_{loop_.context().get_executor()};
};

TEST_F(ChildProcess, TellsTheExitCodeAgainAndAgain) {
    const auto child = start("exit 3");
    const Exit three{.code = 3, .signal = std::nullopt};
    EXPECT_EQ(loop_.await(children_.wait(child)), three);
    EXPECT_EQ(loop_.await(children_.wait(child)), three);
    EXPECT_EQ(children_.ended(child), three);
}

TEST_F(ChildProcess, TellsTheSignal) {
    const auto child = start("echo up; exec sleep 1000");
    EXPECT_EQ(children_.ended(child), std::nullopt);
    EXPECT_TRUE(send_signal(child, SIGKILL));
    EXPECT_EQ(loop_.await(children_.wait(child)), (Exit{.code = std::nullopt, .signal = SIGKILL}));
}

TEST_F(ChildProcess, LeavesNoZombieOfAChildThatNobodyWaitsFor) {
    const auto child = start("exit 0");
    loop_.run_until([&child] { return !is_zombie_or_alive(child); });
    EXPECT_FALSE(is_zombie_or_alive(child));
    EXPECT_EQ(children_.ended(child), (Exit{.code = 0, .signal = std::nullopt}));
}

TEST_F(ChildProcess, LeavesNoZombieAmongManyChildren) {
    std::vector<ProcessIdentity> all;
    for (int i = 0; i < 40; ++i) {
        all.push_back(start("exit 0"));
    }
    for (const auto& child : all) {
        loop_.run_until([&child] { return !is_zombie_or_alive(child); });
    }
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST_F(ChildProcess, AppendsToALogThatOnlyTheUserReads) {
    loop_.await(children_.wait(start("echo one")));
    loop_.await(children_.wait(start("echo two >&2")));
    EXPECT_EQ(folder_.text_of("log"), "one\ntwo\n");
    struct stat facts{};
    ASSERT_EQ(::stat(folder_.file("log").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(ChildProcess, SaysThatALogCannotBeWritten) {
    const auto child = children_.start({.program = "/bin/sh"}, folder_.file("no-such-folder/log"));
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code, ErrorCode::precondition);
    EXPECT_NE(child.error().message.find("no-such-folder/log"), std::string::npos);
}

TEST_F(ChildProcess, RunsOnWhenTheChildClosesItsOutput) {
    const auto child = start("echo up; exec sleep 1000 >&- 2>&-");
    await_line("up");
    EXPECT_EQ(children_.ended(child), std::nullopt);
    EXPECT_TRUE(end(child, EndBy::kill));
    EXPECT_NE(children_.ended(child), std::nullopt);
}

TEST_F(ChildProcess, KnowsNothingAboutTheEndOfAProcessThatIsNoChild) {
    const auto child = start("sleep 1000 & echo up; wait");
    await_line("up");
    const auto members = session_members(child);
    const auto grandchild =
        std::ranges::find_if(members, [&child](const auto& member) { return member != child; });
    ASSERT_NE(grandchild, members.end());
    const ProcessIdentity identity = *grandchild;
    EXPECT_EQ(children_.ended(identity), std::nullopt);
    send_signal(identity, SIGKILL);
    EXPECT_EQ(loop_.await(children_.wait(identity)), Exit{});
    EXPECT_EQ(children_.ended(identity), Exit{});
    EXPECT_EQ(loop_.await(children_.wait(child)), (Exit{.code = 0, .signal = std::nullopt}));
}

TEST_F(ChildProcess, TakesAReusedPidForAnEndedProcess) {
    const auto child = start("exec sleep 1000");
    ProcessIdentity earlier = child;
    earlier.start_ticks -= 1;
    EXPECT_EQ(children_.ended(earlier), Exit{});
    EXPECT_EQ(loop_.await(children_.wait(earlier)), Exit{});
    ProcessFamily stranger = family(earlier);
    stranger.marker_value = "nobody";
    EXPECT_TRUE(living(stranger).empty());
    EXPECT_TRUE(loop_.await(end_family({.family = stranger, .by = EndBy::kill})));
    EXPECT_EQ(children_.ended(child), std::nullopt);
    EXPECT_TRUE(end(child, EndBy::kill));
}

TEST_F(ChildProcess, LetsAProgramEndByItselfWithinItsGrace) {
    const auto child = start("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done");
    await_line("up");
    EXPECT_TRUE(end(child, EndBy::signal_first));
    EXPECT_EQ(loop_.await(children_.wait(child)), (Exit{.code = 7, .signal = std::nullopt}));
    EXPECT_NE(folder_.text_of("log").find("bye"), std::string::npos);
}

TEST_F(ChildProcess, KillsAProgramThatIgnoresItsSignal) {
    const auto child = start("trap '' TERM; echo up; while :; do sleep 1000; done");
    await_line("up");
    const auto begun = clock_.now();
    EXPECT_TRUE(end(child, EndBy::signal_first, milliseconds{200}));
    EXPECT_GE(clock_.now() - begun, milliseconds{200});
    EXPECT_EQ(loop_.await(children_.wait(child)), (Exit{.code = std::nullopt, .signal = SIGKILL}));
    EXPECT_TRUE(living(family(child)).empty());
}

TEST_F(ChildProcess, SweepsAnOrphanThatLeftTheSession) {
    const auto child = start("setsid sh -c 'trap \"\" TERM; echo orphan; sleep 1000; :' & wait");
    await_line("orphan");
    ASSERT_GE(living(family(child)).size(), 2U);
    EXPECT_TRUE(end(child, EndBy::signal_first, milliseconds{200}));
    EXPECT_TRUE(living(family(child)).empty());
    EXPECT_TRUE(find_by_marker("NOVA_TEST_MARK", mark_).empty());
}

TEST_F(ChildProcess, SweepsWhatIsLeftWhenTheLeaderDiedLongAgo) {
    const auto child = start("setsid sleep 1000 & sleep 1000 & echo up");
    loop_.await(children_.wait(child));
    EXPECT_FALSE(alive(child));
    EXPECT_EQ(living(family(child)).size(), 2U);
    EXPECT_TRUE(end(child, EndBy::kill));
    EXPECT_TRUE(living(family(child)).empty());
}

TEST_F(ChildProcess, SweepsWhatHidItsEnvironmentButStayedInTheSession) {
    const auto child = start("env -i sleep 1000 & echo up; exec sleep 1000");
    await_line("up");
    EXPECT_TRUE(end(child, EndBy::kill));
    EXPECT_TRUE(session_members(child).empty());
}

TEST_F(ChildProcess, KeepsUpWithAProgramThatForksAllTheTime) {
    const auto child =
        start("trap '' TERM; echo up; while :; do setsid sleep 5 & sleep 0.002; done");
    await_line("up");
    EXPECT_TRUE(end(child, EndBy::kill));
    EXPECT_TRUE(living(family(child)).empty());
}

TEST_F(ChildProcess, EndsAtADeadlineWithoutEndingTheProcess) {
    const auto child = start("exec sleep 1000");
    EXPECT_FALSE(loop_.await(ended_by(child, Deadline::in(clock_, milliseconds{50}))));
    EXPECT_TRUE(alive(child));
    send_signal(child, SIGKILL);
    EXPECT_TRUE(loop_.await(ended_by(child, Deadline::in(clock_, seconds{20}))));
}

TEST_F(ChildProcess, LetsGoOfItsChildrenWhenItIsDestroyed) {
    ProcessIdentity child;
    {
        ChildProcesses others{loop_.context().get_executor()};
        child =
            others
                .start(
                    {.program = "/bin/sleep", .argv = {"1000"}, .env = {"NOVA_TEST_MARK=" + mark_}},
                    folder_.file("log")
                )
                .value_or(ProcessIdentity{});
    }
    loop_.context().restart();
    loop_.context().poll();
    EXPECT_TRUE(alive(child));
    EXPECT_TRUE(end(child, EndBy::kill));
    ::waitpid(static_cast<pid_t>(child.pid), nullptr, 0);
}

}  // namespace
}  // namespace nova::process

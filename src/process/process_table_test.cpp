// Identities, markers and signals against the processes of this machine.
#include <algorithm>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.hpp"
#include "process/process_table.hpp"
#include "process/spawn.hpp"

namespace nova::process {
namespace {

// A process that runs until the test ends.
class Sleeper {
public:
    explicit Sleeper(std::vector<std::string> env, std::string script = "exec sleep 1000") {
        const FileDescriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
        auto started = spawn(
            {.program = "/bin/sh",
             .argv = {"-c", std::move(script)},
             .env = std::move(env),
             .working_directory = {}},
            null.get(), null.get()
        );
        EXPECT_TRUE(started);
        identity = started.value_or(ProcessIdentity{});
    }

    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;

    ~Sleeper() { end(); }

    void end() {
        if (identity.pid > 0) {
            kill();
            reap();
        }
    }

    void kill() const { ::kill(static_cast<pid_t>(-identity.pid), SIGKILL); }

    // Until it is a zombie.
    void wait_ended() const {
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(identity.pid), &info, WEXITED | WNOWAIT);
    }

    void reap() {
        ::waitpid(static_cast<pid_t>(identity.pid), nullptr, 0);
        identity.pid = 0;
    }

    ProcessIdentity identity;
};

constexpr std::string_view kAfterName =
    " S 1 4242 4241 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 987654 1000 100 18446744073709551615 0";

TEST(ProcessTable, ReadsAStatLine) {
    const auto stat = parse_stat("4242 (llama-server)" + std::string{kAfterName} + "\n");
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->group, 4242);
    EXPECT_EQ(stat->session, 4241);
    EXPECT_EQ(stat->start_ticks, 987654U);
    EXPECT_FALSE(stat->kernel_thread);
}

TEST(ProcessTable, FindsAProcessInTheMomentItIsStarted) {
    for (int i = 0; i < 200; ++i) {
        const std::string value = random_hex(8);
        const Sleeper sleeper{{"NOVA_TEST_MARK=" + value}};
        ASSERT_EQ(find_by_marker("NOVA_TEST_MARK", value).size(), 1U) << "round " << i;
    }
}

TEST(ProcessTable, IsNotFooledByTheNameOfAProgram) {
    for (const std::string name : {"a) R 1 1 1", "((", "x y z", ")", ""}) {
        const auto stat = parse_stat("4242 (" + name + ")" + std::string{kAfterName});
        ASSERT_TRUE(stat) << name;
        EXPECT_EQ(stat->start_ticks, 987654U) << name;
        EXPECT_EQ(stat->session, 4241) << name;
    }
}

TEST(ProcessTable, RefusesWhatIsNoStatLine) {
    for (const std::string text :
         {"", "4242", "4242 (x)", "4242 (x) ", "4242 (x) S 1 2 3", "(x) S"}) {
        EXPECT_FALSE(parse_stat(text)) << text;
    }
}

TEST(ProcessTable, KnowsTheCaller) {
    const auto identity = identity_of(::getpid());
    ASSERT_TRUE(identity);
    EXPECT_GT(identity->start_ticks, 0U);
    EXPECT_EQ(identity->boot_id.size(), 36U);
    EXPECT_TRUE(alive(*identity));
}

TEST(ProcessTable, TakesAnotherStartTimeOrBootForAnotherProcess) {
    const Sleeper sleeper{{}};
    for (const bool boot : {false, true}) {
        ProcessIdentity other = sleeper.identity;
        if (boot) {
            other.boot_id = "00000000-0000-0000-0000-000000000000";
        } else {
            other.start_ticks += 1;
        }
        EXPECT_FALSE(alive(other));
        EXPECT_FALSE(open_pidfd(other).open());
        EXPECT_FALSE(send_signal(other, SIGKILL));
        EXPECT_TRUE(session_members(other).empty());
    }
    EXPECT_TRUE(alive(sleeper.identity));
}

TEST(ProcessTable, TakesAZombieForEndedButStillHasADescriptorOfIt) {
    Sleeper sleeper{{}};
    sleeper.kill();
    sleeper.wait_ended();
    EXPECT_FALSE(alive(sleeper.identity));
    const FileDescriptor pidfd = open_pidfd(sleeper.identity);
    EXPECT_TRUE(pidfd.open());
    pollfd readable{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&readable, 1, 0), 1);
    const ProcessIdentity gone = sleeper.identity;
    sleeper.reap();
    EXPECT_FALSE(open_pidfd(gone).open());
}

TEST(ProcessTable, FindsProcessesByTheirEnvironment) {
    const std::string value = random_hex(8);
    const Sleeper first{{"A=1", "NOVA_TEST_MARK=" + value + "/1", "B=2"}};
    const Sleeper second{{"NOVA_TEST_MARK=" + value + "/2"}};
    const Sleeper stranger{{"XNOVA_TEST_MARK=" + value + "/3", "C=NOVA_TEST_MARK=" + value}};
    const auto both = find_by_marker("NOVA_TEST_MARK", value);
    EXPECT_EQ(both.size(), 2U);
    const auto one = find_by_marker("NOVA_TEST_MARK", value + "/2");
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one.front().identity, second.identity);
    EXPECT_EQ(one.front().session, second.identity.pid);
    EXPECT_EQ(one.front().value, value + "/2");
}

TEST(ProcessTable, DoesNotFindWhatHasEnded) {
    const std::string value = random_hex(8);
    Sleeper sleeper{{"NOVA_TEST_MARK=" + value}};
    sleeper.kill();
    sleeper.wait_ended();
    EXPECT_TRUE(find_by_marker("NOVA_TEST_MARK", value).empty());
}

TEST(ProcessTable, ListsTheSessionAlsoWhenItsLeaderIsGone) {
    // The leader ends at once; its child stays in the session with an environment of its own.
    Sleeper sleeper{{}, "env -i sleep 1000 & exit 0"};
    sleeper.wait_ended();
    const auto members = session_members(sleeper.identity);
    ASSERT_EQ(members.size(), 1U);
    EXPECT_NE(members.front().pid, sleeper.identity.pid);
    EXPECT_TRUE(send_signal(members.front(), SIGKILL));
}

TEST(ProcessTable, ReadsACommandLine) {
    const std::string script = "sleep 1000; :";
    const std::string value = random_hex(8);
    const Sleeper sleeper{{"NOVA_TEST_MARK=" + value}, script};
    ASSERT_FALSE(find_by_marker("NOVA_TEST_MARK", value).empty());  // the exec is over
    EXPECT_EQ(
        command_line(sleeper.identity.pid), (std::vector<std::string>{"/bin/sh", "-c", script})
    );
    EXPECT_TRUE(command_line(-1).empty());
}

}  // namespace
}  // namespace nova::process

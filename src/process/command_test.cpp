// Short commands: their output, their limits, and that a late one is ended with its children.
#include <cerrno>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/random.hpp"
#include "process/child_process.hpp"
#include "process/command.hpp"
#include "process/test_loop.hpp"

namespace nova::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Command : public testing::Test {
protected:
    SpawnRequest script(const std::string& text) const {
        return {
            .program = "/bin/sh",
            .argv = {"-c", text},
            .env = {"PATH=/usr/bin:/bin", "NOVA_TEST_MARK=" + mark_},
            .working_directory = {}
        };
    }

    Result<CommandOutput>
    run(const std::string& text, milliseconds time = seconds{20}, Bytes limit = mib(1)) {
        return loop_.await(run_command(script(text), Deadline::in(clock_, time), limit));
    }

    bool has_children() const {
        siginfo_t info{};
        return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
    }

    TestLoop loop_;
    SystemClock clock_;
    std::string mark_ = random_hex(8);
};

TEST_F(Command, CapturesBothStreamsAndTheExitCode) {
    const auto output = run("echo out; echo err >&2; exit 5");
    ASSERT_TRUE(output);
    EXPECT_EQ(output->out, "out\n");
    EXPECT_EQ(output->err, "err\n");
    EXPECT_EQ(output->exit_code, 5);
    EXPECT_FALSE(output->truncated);
    EXPECT_FALSE(has_children());
}

TEST_F(Command, SaysASignalAsShellsDo) {
    const auto output = run("kill -9 $$");
    ASSERT_TRUE(output);
    EXPECT_EQ(output->exit_code, 128 + SIGKILL);
}

TEST_F(Command, CapturesMoreThanAPipeHolds) {
    const auto output = run("head -c 500000 /dev/zero; head -c 300000 /dev/zero >&2");
    ASSERT_TRUE(output);
    EXPECT_EQ(output->out.size(), 500'000U);
    EXPECT_EQ(output->err.size(), 300'000U);
}

TEST_F(Command, KeepsTheBeginningOfTooMuchOutput) {
    const auto output = run("echo first; head -c 500000 /dev/zero", seconds{20}, kib(1));
    ASSERT_TRUE(output);
    EXPECT_EQ(output->out.size(), 1024U);
    EXPECT_EQ(output->out.substr(0, 6), "first\n");
    EXPECT_TRUE(output->truncated);
    EXPECT_EQ(output->exit_code, 0);
}

TEST_F(Command, EndsALateCommandWithItsChildren) {
    const auto begun = clock_.now();
    const auto output = run("sleep 1000 & sleep 1000", milliseconds{100});
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().code, ErrorCode::timeout);
    EXPECT_NE(output.error().message.find("/bin/sh"), std::string::npos);
    EXPECT_LT(clock_.now() - begun, seconds{10});
    EXPECT_FALSE(has_children());
    for (const auto& dying : find_by_marker("NOVA_TEST_MARK", mark_)) {
        EXPECT_TRUE(loop_.await(ended_by(dying.identity, Deadline::in(clock_, seconds{20}))));
    }
}

TEST_F(Command, DoesNotWaitForSomebodyElseWhoHoldsThePipe) {
    const auto output = run("setsid sleep 1000 & echo done");
    ASSERT_TRUE(output);
    EXPECT_EQ(output->out, "done\n");
    for (const auto& left : find_by_marker("NOVA_TEST_MARK", mark_)) {
        send_signal(left.identity, SIGKILL);
    }
}

TEST_F(Command, IsKilledAndReapedWhenTheCallerIsCancelled) {
    asio::cancellation_signal cancel;
    bool ended = false;
    asio::co_spawn(
        loop_.context(), run_command(script("sleep 1000"), Deadline::in(clock_, seconds{100})),
        asio::bind_cancellation_slot(
            cancel.slot(),
            [&ended](std::exception_ptr exception, const Result<CommandOutput>&) {
                EXPECT_TRUE(exception);
                ended = true;
            }
        )
    );
    loop_.context().poll();
    EXPECT_TRUE(has_children());
    cancel.emit(asio::cancellation_type::terminal);
    ASSERT_TRUE(loop_.run_until([&ended] { return ended; }));
    ASSERT_TRUE(loop_.run_until([this] { return !has_children(); }));
}

TEST_F(Command, TellsThatAProgramIsMissing) {
    const auto output =
        loop_.await(run_command({.program = "/no/such/tool"}, Deadline::in(clock_, seconds{20})));
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace nova::process

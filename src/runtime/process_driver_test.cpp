// Engines as real programs: ports, environment, adoption after nova was killed, nothing left.
#include <algorithm>
#include <fstream>

#include <arpa/inet.h>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.hpp"
#include "process/test_loop.hpp"
#include "runtime/process_driver.hpp"

namespace nova::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Native : public testing::Test {
protected:
    ~Native() override {
        // Whatever a failed test left behind.
        for (const auto& left : process::find_by_marker("NOVA_INSTANCE", install_)) {
            process::send_signal(left.identity, SIGKILL);
        }
    }

    ProcessDriver make_driver(asio::io_context& context, SystemClock& clock) const {
        return ProcessDriver{
            context.get_executor(),
            clock,
            {.records_folder = folder_.file("instances"),
             .program_folders = {folder_.file("engines")},
             .path = "/usr/bin:/bin",
             .home = "/home/somebody",
             .lang = "C.UTF-8"}
        };
    }

    InstanceSpec spec(const std::string& script, std::uint64_t generation = 1) const {
        InstanceSpec spec;
        spec.identity = {{install_}, {"local"}, {generation}, {"3fa9"}};
        spec.name = "nova-test";
        spec.program = "sh";
        spec.argv = {"-c", script, "sh", "--port", "{port}"};
        spec.log_path = folder_.file("logs/run.log");
        spec.grace = seconds{20};
        return spec;
    }

    InstanceHandle start(InstanceSpec wanted) {
        auto handle = loop_.await(driver_.start(std::move(wanted)));
        EXPECT_TRUE(handle) << handle.error().message;
        return handle.value_or(InstanceHandle{});
    }

    // Runs a script to its end and returns its log.
    std::string log_of(InstanceSpec wanted) {
        const InstanceHandle handle = start(std::move(wanted));
        loop_.await(driver_.wait(handle));
        return loop_.await(driver_.log_tail(handle, mib(1))).value_or("(no log)");
    }

    Task<bool> line_in_log(std::string line) {
        asio::steady_timer timer{loop_.context()};
        for (int i = 0; i < 3000; ++i) {
            if (folder_.text_of("logs/run.log").find(line) != std::string::npos) {
                co_return true;
            }
            timer.expires_after(milliseconds{10});
            co_await timer.async_wait(asio::use_awaitable);
        }
        co_return false;
    }

    std::vector<OwnedInstance> owned(ProcessDriver& driver) {
        return loop_.await(driver.list_owned({install_}, {"local"}))
            .value_or(std::vector<OwnedInstance>{});
    }

    bool anybody_left() const {
        return !process::find_by_marker("NOVA_INSTANCE", install_).empty();
    }

    // A nova that starts this and is killed at once; its engine runs on.
    InstanceHandle start_by_a_nova_that_is_killed(const InstanceSpec& wanted) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        const pid_t nova = ::fork();
        if (nova == 0) {
            asio::io_context context{1};
            SystemClock clock;
            ProcessDriver driver = make_driver(context, clock);
            std::int64_t pid = 0;
            asio::co_spawn(
                context, driver.start(wanted),
                [&pid](std::exception_ptr, const Result<InstanceHandle>& handle) {
                    pid = handle ? handle->pid : -1;
                }
            );
            while (pid == 0) {
                context.run_one();
            }
            ::raise(::write(ends[1], &pid, sizeof pid) == sizeof pid ? SIGSTOP : SIGABRT);
            ::_exit(0);
        }
        InstanceHandle handle;
        EXPECT_EQ(::read(ends[0], &handle.pid, sizeof handle.pid), ssize_t{sizeof handle.pid});
        ::kill(nova, SIGKILL);
        ::waitpid(nova, nullptr, 0);
        ::close(ends[0]);
        ::close(ends[1]);
        return handle;
    }

    process::TestFolder folder_;
    process::TestLoop loop_;
    SystemClock clock_;
    std::string install_ = random_hex(8);
    ProcessDriver driver_ = make_driver(loop_.context(), clock_);
};

TEST_F(Native, SaysWhereItLookedForAProgramAndWhatToDo) {
    InstanceSpec wanted = spec("true");
    wanted.program = "llama-server-of-nobody";
    const auto prepared = loop_.await(driver_.prepare(wanted, nullptr));
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error().code, ErrorCode::not_found);
    EXPECT_NE(prepared.error().message.find("llama-server-of-nobody"), std::string::npos);
    EXPECT_NE(prepared.error().message.find(folder_.file("engines")), std::string::npos);
    EXPECT_NE(prepared.error().remedy.find("PATH"), std::string::npos);
    EXPECT_EQ(loop_.await(driver_.start(wanted)).error().code, ErrorCode::not_found);
    EXPECT_FALSE(std::filesystem::exists(folder_.file("instances")));
}

TEST_F(Native, TellsWhichProgramItFound) {
    std::string found;
    const auto sink = [&found](const Progress& progress) { found = progress.detail; };
    ASSERT_TRUE(loop_.await(driver_.prepare(spec("true"), sink)));
    EXPECT_EQ(found, "/usr/bin/sh");
}

TEST_F(Native, PutsTheChosenPortIntoArgumentsAndEnvironment) {
    InstanceSpec wanted = spec("echo args=$2 env=$OLLAMA_HOST; exec sleep 1000");
    wanted.env["OLLAMA_HOST"] = "127.0.0.1:{port}";
    const InstanceHandle handle = start(wanted);
    ASSERT_NE(handle.endpoint.port, 0);
    EXPECT_EQ(handle.endpoint.host, "127.0.0.1");
    const std::string line = fmt::format("args={0} env=127.0.0.1:{0}\n", handle.endpoint.port);
    EXPECT_TRUE(loop_.await(line_in_log(line))) << folder_.text_of("logs/run.log");
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::kill)));
}

TEST_F(Native, RefusesAPortThatIsTaken) {
    const process::FileDescriptor listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener.get(), generic, size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ::getsockname(listener.get(), generic, &size);

    InstanceSpec wanted = spec("exec sleep 1000");
    wanted.listen.port = ntohs(address.sin_port);
    const auto handle = loop_.await(driver_.start(wanted));
    ASSERT_FALSE(handle);
    EXPECT_EQ(handle.error().code, ErrorCode::precondition);
    EXPECT_NE(handle.error().message.find(std::to_string(wanted.listen.port)), std::string::npos);
    EXPECT_FALSE(anybody_left());
}

TEST_F(Native, GivesAnEngineItsEnvironmentAndNoSecretOfNovas) {
    ::setenv("NOVA_ADMIN_SECRET", "do-not-inherit", 1);
    ::setenv("OPENAI_API_KEY", "do-not-inherit", 1);
    InstanceSpec wanted = spec("tr '\\0' '\\n' </proc/$$/environ | sort");
    wanted.env = {{"HF_HOME", "/models"}, {"LANG", "de_DE.UTF-8"}};
    const std::string log = log_of(wanted);
    ::unsetenv("NOVA_ADMIN_SECRET");
    ::unsetenv("OPENAI_API_KEY");
    EXPECT_EQ(
        log, "HF_HOME=/models\nHOME=/home/somebody\nLANG=de_DE.UTF-8\nNOVA_INSTANCE=" + install_ +
                 "/local/1/3fa9\nPATH=/usr/bin:/bin\n"
    );
}

TEST_F(Native, InheritsNoDescriptorOfNovas) {
    const process::FileDescriptor leak{::open("/etc/passwd", O_RDONLY)};
    ASSERT_TRUE(leak.open());
    const std::string log = log_of(spec("for f in /proc/$$/fd/*; do readlink $f; done"));
    EXPECT_EQ(log.find("/etc/passwd"), std::string::npos) << log;
    EXPECT_EQ(log.find("socket:"), std::string::npos) << log;
    EXPECT_NE(log.find("logs/run.log"), std::string::npos) << log;
}

TEST_F(Native, FindsTheLibrariesThatLieBesideLlamaServer) {
    std::filesystem::create_directories(folder_.file("engines/real"));
    std::ofstream{folder_.file("engines/real/libllama.so.0")} << "";
    std::ofstream{folder_.file("engines/real/engine")} << "#!/bin/sh\necho $LD_LIBRARY_PATH\n";
    ::chmod(folder_.file("engines/real/engine").c_str(), 0700);
    std::filesystem::create_symlink("real/engine", folder_.file("engines/engine"));
    InstanceSpec wanted = spec("");
    wanted.program = "engine";
    EXPECT_EQ(log_of(wanted), folder_.file("engines/real") + "\n");
    std::filesystem::remove(folder_.file("engines/real/libllama.so.0"));
    wanted.identity.generation = {2};
    wanted.log_path = folder_.file("logs/second.log");
    EXPECT_EQ(log_of(wanted), "\n");
}

TEST_F(Native, RunsInTheFolderOfItsLogUnlessToldOtherwise) {
    EXPECT_EQ(log_of(spec("pwd -P")), folder_.file("logs") + "\n");
    InstanceSpec wanted = spec("pwd -P", 2);
    wanted.working_directory = "/usr";
    EXPECT_EQ(log_of(wanted), folder_.file("logs") + "\n/usr\n");
}

TEST_F(Native, MakesTheLogForItsUserOnly) {
    log_of(spec("true"));
    struct stat facts{};
    ASSERT_EQ(::stat(folder_.file("logs").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0700U);
    ASSERT_EQ(::stat(folder_.file("logs/run.log").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(Native, ReturnsTheWholeLinesAtTheEndOfALog) {
    const InstanceHandle handle = start(spec("seq 1 1000"));
    loop_.await(driver_.wait(handle));
    EXPECT_EQ(loop_.await(driver_.log_tail(handle, Bytes{12})), "999\n1000\n");
    EXPECT_EQ(loop_.await(driver_.log_tail(handle, mib(1)))->size(), 3893U);
    std::filesystem::remove(handle.log_path);
    EXPECT_EQ(loop_.await(driver_.log_tail(handle, mib(1))).error().code, ErrorCode::not_found);
}

TEST_F(Native, TellsTheExitCode) {
    const InstanceHandle handle = start(spec("exit 3"));
    const auto status = loop_.await(driver_.wait(handle));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->code, 3);
    const auto seen = loop_.await(driver_.inspect(handle));
    EXPECT_EQ(seen->state, InstanceStatus::State::gone);
    EXPECT_EQ(seen->exit->text(), "exited with code 3");
}

TEST_F(Native, LetsAnEngineEndByItsOwnSignalWithinItsGrace) {
    InstanceSpec wanted =
        spec("trap 'echo bye; exit 0' INT; echo up; while :; do sleep 0.05; done");
    wanted.stop_signal = SIGINT;
    const InstanceHandle handle = start(wanted);
    ASSERT_TRUE(loop_.await(line_in_log("up")));
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::graceful)));
    EXPECT_NE(folder_.text_of("logs/run.log").find("bye"), std::string::npos);
    EXPECT_EQ(loop_.await(driver_.inspect(handle))->exit->code, 0);
}

TEST_F(Native, KillsAnEngineThatIgnoresItsSignalAndTheOrphanItLeft) {
    InstanceSpec wanted =
        spec("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo orphan; sleep 1000; :' & "
             "while :; do sleep 1000; done");
    wanted.grace = seconds{0};
    const InstanceHandle handle = start(wanted);
    ASSERT_TRUE(loop_.await(line_in_log("orphan")));
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::graceful)));
    EXPECT_FALSE(anybody_left());
    EXPECT_TRUE(owned(driver_).empty());
    EXPECT_FALSE(std::filesystem::exists(folder_.file("instances/1-local.json")));
}

TEST_F(Native, ListsWhatACrashedEngineLeftBehindSoThatItCanBeStopped) {
    const InstanceHandle handle = start(spec("setsid sleep 1000 & echo up"));
    loop_.await(driver_.wait(handle));
    const auto list = owned(driver_);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.front().handle, handle);
    EXPECT_EQ(list.front().status.state, InstanceStatus::State::gone);
    // Nor may the same instance be started beside its own leftovers.
    EXPECT_EQ(loop_.await(driver_.start(spec("true"))).error().code, ErrorCode::conflict);
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::graceful)));
    EXPECT_FALSE(anybody_left());
    EXPECT_TRUE(owned(driver_).empty());
}

TEST_F(Native, ForgetsWhatEndedWhileNobodyLooked) {
    const InstanceHandle handle = start(spec("exit 0"));
    loop_.await(driver_.wait(handle));
    EXPECT_TRUE(std::filesystem::exists(folder_.file("instances/1-local.json")));
    EXPECT_TRUE(owned(driver_).empty());
    EXPECT_FALSE(std::filesystem::exists(folder_.file("instances/1-local.json")));
}

TEST_F(Native, AdoptsTheEngineOfANovaThatWasKilled) {
    const auto before = start_by_a_nova_that_is_killed(spec("echo up; exec sleep 1000"));
    const auto list = owned(driver_);
    ASSERT_EQ(list.size(), 1U);
    const InstanceHandle handle = list.front().handle;
    EXPECT_EQ(handle.pid, before.pid);
    EXPECT_EQ(handle.name, "nova-test");
    EXPECT_NE(handle.endpoint.port, 0);
    EXPECT_EQ(handle.log_path, folder_.file("logs/run.log"));
    EXPECT_EQ(handle.grace, seconds{20});
    EXPECT_EQ(list.front().status.state, InstanceStatus::State::running);
    ASSERT_TRUE(loop_.await(line_in_log("up")));

    // It ends while it is waited for; how is not ours to know.
    std::optional<Result<ExitStatus>> status;
    asio::co_spawn(
        loop_.context(), driver_.wait(handle),
        [&status](std::exception_ptr exception, Result<ExitStatus> result) {
            EXPECT_FALSE(exception);
            status = std::move(result);
        }
    );
    loop_.context().poll();
    EXPECT_FALSE(status);
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::graceful)));
    ASSERT_TRUE(loop_.run_until([&status] { return status.has_value(); }));
    EXPECT_EQ((*status)->text(), "ended");
    EXPECT_FALSE(anybody_left());
}

TEST_F(Native, AdoptsAnEngineWhoseNovaWasKilledBeforeItWroteThePid) {
    const auto before = start_by_a_nova_that_is_killed(spec("echo up; exec sleep 1000"));
    // As the intent was: everything but the process.
    const InstanceRecords records{folder_.file("instances")};
    InstanceHandle intent = records.load({install_}, {"local"}).at(0);
    const InstanceHandle complete = intent;
    intent.pid = 0;
    intent.start_ticks = 0;
    intent.boot_id.clear();
    ASSERT_TRUE(records.save(intent));

    const auto list = owned(driver_);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.front().handle, complete);
    EXPECT_EQ(list.front().handle.pid, before.pid);
    EXPECT_EQ(records.load({install_}, {"local"}).at(0), complete);
    EXPECT_TRUE(loop_.await(driver_.stop(complete, RuntimeDriver::Force::kill)));
    EXPECT_FALSE(anybody_left());
}

TEST_F(Native, AdoptsAnEngineWhoseRecordIsLostByItsMarkerAndCommandLine) {
    const auto before =
        start_by_a_nova_that_is_killed(spec("setsid sleep 1000 & echo up; while :; do sleep 9; done"
        ));
    ASSERT_TRUE(loop_.await(line_in_log("up")));
    const auto port =
        InstanceRecords{folder_.file("instances")}.load({install_}, {"local"}).at(0).endpoint.port;
    std::filesystem::remove_all(folder_.file("instances"));
    const auto list = owned(driver_);
    ASSERT_EQ(list.size(), 1U);
    const InstanceHandle& handle = list.front().handle;
    EXPECT_EQ(handle.identity, spec("").identity);
    EXPECT_EQ(handle.pid, before.pid);
    EXPECT_EQ(handle.endpoint.port, port);
    EXPECT_EQ(list.front().status.state, InstanceStatus::State::running);
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::kill)));
    EXPECT_FALSE(anybody_left());
}

TEST_F(Native, NeverTouchesAStrangerThatGotThePid) {
    InstanceHandle handle = start(spec("exec sleep 1000"));
    const InstanceHandle real = handle;
    handle.start_ticks -= 1;
    handle.identity.generation = {99};
    EXPECT_EQ(loop_.await(driver_.inspect(handle))->state, InstanceStatus::State::gone);
    EXPECT_EQ(loop_.await(driver_.wait(handle))->text(), "ended");
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::kill)));
    EXPECT_EQ(loop_.await(driver_.inspect(real))->state, InstanceStatus::State::running);
    EXPECT_TRUE(loop_.await(driver_.stop(real, RuntimeDriver::Force::kill)));
}

TEST_F(Native, RefusesAnIdentityThatMarksNothing) {
    InstanceSpec wanted = spec("true");
    wanted.identity.slot.value = "lo/cal";
    EXPECT_EQ(loop_.await(driver_.start(wanted)).error().code, ErrorCode::invalid_argument);
    wanted.identity.slot.value = "";
    EXPECT_EQ(loop_.await(driver_.start(wanted)).error().code, ErrorCode::invalid_argument);
}

TEST_F(Native, RunsACommandBesideAnInstance) {
    const InstanceHandle handle = start(spec("exec sleep 1000"));
    const auto run = [&](std::vector<std::string> argv, milliseconds time) {
        const Deadline deadline = Deadline::in(clock_, time);
        return loop_.await(driver_.exec(handle, std::move(argv), deadline));
    };
    const auto output =
        run({"sh", "-c", "echo $NOVA_INSTANCE$HOME; echo oops >&2; exit 4"}, seconds{20});
    ASSERT_TRUE(output);
    EXPECT_EQ(output->out, "/home/somebody\n");
    EXPECT_EQ(output->err, "oops\n");
    EXPECT_EQ(output->exit_code, 4);
    EXPECT_EQ(run({"sleep", "1000"}, milliseconds{50}).error().code, ErrorCode::timeout);
    EXPECT_EQ(run({"no-such-tool"}, seconds{20}).error().code, ErrorCode::not_found);
    EXPECT_EQ(run({}, seconds{20}).error().code, ErrorCode::invalid_argument);
    EXPECT_TRUE(loop_.await(driver_.stop(handle, RuntimeDriver::Force::kill)));
}

TEST_F(Native, ASweepOfOneSlotNeverTakesTheOthersInstances) {
    InstanceSpec chat = spec("echo chat; exec sleep 600");
    InstanceSpec embed = spec("echo embed; exec sleep 600");
    embed.identity.slot = {"embed"};
    InstanceSpec stray = spec("exec sleep 600", 2);
    const InstanceHandle local_one = start(chat);
    const InstanceHandle embed_one = start(embed);
    start(stray);
    const auto of = [&](const char* slot) {
        return loop_.await(driver_.list_owned({install_}, {slot}))
            .value_or(std::vector<OwnedInstance>{});
    };
    ASSERT_EQ(of("local").size(), 2U);
    ASSERT_EQ(of("embed").size(), 1U);
    EXPECT_EQ(of("embed")[0].handle.pid, embed_one.pid);
    for (const OwnedInstance& instance : of("local")) {
        EXPECT_TRUE(
            loop_.await(driver_.stop(instance.handle, RuntimeDriver::Force::kill)).has_value()
        );
    }
    EXPECT_TRUE(of("local").empty());
    ASSERT_EQ(of("embed").size(), 1U);
    EXPECT_EQ(of("embed")[0].status.state, InstanceStatus::State::running);
    EXPECT_EQ(::kill(static_cast<pid_t>(embed_one.pid), 0), 0);
    EXPECT_NE(::kill(static_cast<pid_t>(local_one.pid), 0), 0);
    EXPECT_TRUE(loop_.await(driver_.stop(embed_one, RuntimeDriver::Force::kill)).has_value());
    EXPECT_FALSE(anybody_left());
}

}  // namespace
}  // namespace nova::runtime

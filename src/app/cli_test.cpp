// Commands from argv to exit code, against the real control routes over loopback.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/cli.hpp"
#include "app/control_client.hpp"
#include "core/random.hpp"
#include "core/task_group.hpp"
#include "net/http_server.hpp"
#include "recovery/fake_backend.hpp"
#include "recovery/recovery_routes.hpp"
#include "store/data_directory.hpp"
#include "store/files.hpp"
#include "store/memory_store.hpp"

namespace nova::app {
namespace {

// The control side of a daemon, in a thread of its own, with a lifecycle that does what it is told.
class ControlSide {
public:
    explicit ControlSide(const std::string& data_dir)
        : directory_{*store::DataDirectory::open(data_dir)},
          auth_{*directory_.admin_secret(), clock_} {
        recovery::add_recovery_routes(table_, parts_);
        const auto bound = server_.listen(
            {.host = "127.0.0.1", .port = 0, .tls = false}, net::PortSharing::exclusive
        );
        EXPECT_TRUE(bound);
        const Json runtime{
            {"pid", ::getpid()},
            {"gateway", bound->text()},
            {"control", bound->text()},
            {"version", "0.1.0"}
        };
        EXPECT_TRUE(store::write_file_atomically(directory_.file("runtime.json"), runtime.dump()));
        tasks_.spawn("server", server_.run());
        thread_ = std::thread{[this] { context_.run(); }};
    }

    ~ControlSide() {
        asio::post(context_, [this] {
            server_.stop();
            tasks_.spawn("end", server_.finish(Deadline::in(clock_, std::chrono::seconds{1})));
        });
        thread_.join();
    }

    // To be looked at before and after commands, never during one.
    recovery::FakeBackend backend;
    recovery::FakeBackend embed;

    // An operation as the store has it.
    void put(const lifecycle::Operation& operation) {
        asio::io_context context;
        asio::co_spawn(
            context,
            [&]() -> Task<void> {
                std::vector<store::Write> writes;
                writes.emplace_back(store::PutOperation{
                    .id = operation.id,
                    .json = lifecycle::to_json(operation).dump(),
                    .created_at = operation.created_at,
                    .finished_at = {}
                });
                EXPECT_TRUE(co_await store_.commit(std::move(writes)));
            },
            [](std::exception_ptr failure) { EXPECT_FALSE(failure); }
        );
        context.run();
    }

private:
    static Task<std::vector<recovery::EngineStatus>> engines() {
        recovery::EngineStatus engine;
        engine.backend = "llamacpp";
        engine.title = "llama.cpp";
        engine.can_run = true;
        std::vector<recovery::EngineStatus> list{engine};
        co_return list;
    }

    static Task<Result<std::string>> hardware() {
        co_return std::string{
            R"({"gpus":[],"gpu_trouble":
                {"trouble":"lost","detail":"It is lost.","remedy":"Reboot."}})"
        };
    }

    static Task<Result<std::string>> gpu_stats() {
        co_return std::string{R"([{"index":0,"name":"NVIDIA Example","utilization_pct":12.0,
            "vram_used_bytes":1073741824,"vram_total_bytes":null,"temperature_c":null,
            "power_w":26.2,"power_limit_w":320.0,
            "processes":[{"pid":42,"name":"llama-server","vram_used_bytes":null}]}])"};
    }

    asio::io_context context_{1};
    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::error};
    store::DataDirectory directory_;
    store::MemoryStore store_;
    lifecycle::EventFeed feed_;
    recovery::AdminAuth auth_;
    recovery::RecoveryParts parts_{
        .backend = backend,
        .store = store_,
        .feed = feed_,
        .auth = auth_,
        .clock = clock_,
        .engines = engines,
        .hardware = {hardware, [](hardware::Overwrite) { return hardware(); }, gpu_stats},
        .readiness = [] { return recovery::Readiness{}; },
        .version = "0.1.0",
        .event_limits = {},
        .embed = &embed,
    };
    net::RouteTable table_;
    net::HttpServer server_{context_.get_executor(), clock_, log_, table_, {},
                            recovery::render_error,  {}};
    TaskGroup tasks_{context_.get_executor()};
    std::thread thread_;
};

struct Ran {
    int code = 0;
    std::string out;
    std::string error;
};

class CliTest : public testing::Test {
protected:
    ~CliTest() override { std::filesystem::remove_all(folder_); }

    Ran run(std::vector<std::string> words, bool with_folder = true) const {
        if (with_folder) {
            words.insert(words.end(), {"--data-dir", folder_});
        }
        words.insert(words.begin(), "nova");
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        Ran ran;
        ran.code = run_cli(static_cast<int>(argv.size()), argv.data());
        ran.out = testing::internal::GetCapturedStdout();
        ran.error = testing::internal::GetCapturedStderr();
        return ran;
    }

    std::string folder_ =
        (std::filesystem::temp_directory_path() / ("nova-cli-" + random_hex(8))).string();
};

TEST_F(CliTest, SaysHowToStartNovaWhenNoneRuns) {
    for (const char* command : {"status", "stop", "logs", "engines", "operations"}) {
        const Ran ran = run({command});
        EXPECT_EQ(ran.code, 3) << command;
        EXPECT_NE(ran.error.find("nova up"), std::string::npos) << ran.error;
        EXPECT_NE(ran.error.find(folder_), std::string::npos) << ran.error;
        EXPECT_EQ(ran.out, "");
    }
    const Ran json = run({"status", "--json"});
    EXPECT_EQ(json.code, 3);
    EXPECT_EQ(Json::parse(json.out)["error"]["code"], "not_running");
    EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(CliTest, RefusesWrongUsageWithCodeTwo) {
    const std::vector<std::string> rows[] = {
        {"frobnicate"},
        {"start"},
        {"stop", "--frob"},
        {"logs", "--tail", "0"},
        {"stop", "--slot", "draft"},
        {"stop", "--timeout", "soon"},
        {"cancel"},
    };
    for (const auto& words : rows) {
        const Ran ran = run(words);
        EXPECT_EQ(ran.code, 2) << words.front();
        EXPECT_NE(ran.error.find("--help"), std::string::npos) << ran.error;
    }
    EXPECT_NE(run({"frobnicate"}).error.find("\"frobnicate\""), std::string::npos);
    EXPECT_EQ(run({}, false).code, 2);
}

TEST_F(CliTest, EveryCommandHelpsWithAnExample) {
    for (const char* command :
         {"up",     "down",    "serve",      "status",    "detect", "engines", "start",
          "stop",   "switch",  "operations", "cancel",    "chat",   "logs",    "events",
          "doctor", "explain", "version",    "providers", "mode",   "config",  "gpu"}) {
        const Ran ran = run({command, "--help"}, false);
        EXPECT_EQ(ran.code, 0) << command;
        EXPECT_NE(ran.out.find("Example:\n  nova " + std::string{command}), std::string::npos)
            << ran.out;
        const bool has_json =
            std::string_view{command} == "serve" || ran.out.find("--json") != std::string::npos;
        EXPECT_TRUE(has_json) << command;
    }
}

TEST_F(CliTest, ShowsTheStatus) {
    ControlSide nova{folder_};
    nova.backend.state.backend = "llamacpp";
    nova.backend.state.phase = lifecycle::Phase::ready;
    nova.backend.state.model = "m";
    const Ran plain = run({"status"});
    EXPECT_EQ(plain.code, 0) << plain.error;
    EXPECT_NE(plain.out.find("llamacpp m: ready"), std::string::npos) << plain.out;
    const Json json = Json::parse(run({"status", "--json"}).out);
    EXPECT_EQ(json["state"], "ready");
    EXPECT_EQ(json["nova"]["pid"], ::getpid());
}

TEST_F(CliTest, SendsWhatWasAskedFor) {
    ControlSide nova{folder_};
    std::ofstream{folder_ + "/key"} << "Bearer abc\n";
    EXPECT_EQ(
        run({"start", "llamacpp", "--model", "m", "--option", "context=1", "--option", "flag.x=a=b"}
        )
            .code,
        0
    );
    EXPECT_EQ(
        run({"start", "custom", "--url", "http://127.0.0.1:1", "--auth-header",
             "@" + folder_ + "/key"})
            .code,
        0
    );
    EXPECT_EQ(run({"stop"}).code, 0);
    ASSERT_EQ(nova.backend.wishes.size(), 3U);
    const auto& first = *nova.backend.wishes[0].spec;
    EXPECT_EQ(first.model.value, "m");
    EXPECT_EQ(first.options.at("context"), "1");
    EXPECT_EQ(first.options.at("flag.x"), "a=b");
    EXPECT_EQ(nova.backend.wishes[0].actor, "cli");
    EXPECT_EQ(nova.backend.wishes[1].spec->auth_header_value.reveal(), "Bearer abc");
    EXPECT_FALSE(nova.backend.wishes[2].spec);
}

TEST_F(CliTest, ShowsAndAsksForTheEmbedSlot) {
    ControlSide nova{folder_};
    nova.embed.state.slot = SlotName{"embed"};
    nova.embed.state.phase = lifecycle::Phase::stopped;
    nova.embed.log = "of the other\n";
    EXPECT_EQ(run({"status"}).out.find("embed"), std::string::npos) << "nobody uses it";
    nova.embed.state.backend = "llamacpp";
    nova.embed.state.model = "e";
    nova.embed.state.phase = lifecycle::Phase::ready;
    const Ran plain = run({"status"});
    EXPECT_NE(plain.out.find("embed: llamacpp e: ready"), std::string::npos) << plain.out;
    const Json json = Json::parse(run({"status", "--json"}).out);
    EXPECT_EQ(json["slot"], "local");
    EXPECT_EQ(json["slots"][1]["model"], "e");
    EXPECT_EQ(run({"start", "llamacpp", "--model", "m", "--slot", "embed"}).code, 0);
    EXPECT_EQ(run({"stop", "--slot", "embed"}).code, 0);
    EXPECT_EQ(run({"logs", "--slot", "embed"}).out, "of the other\n");
    EXPECT_EQ(nova.embed.wishes.size(), 2U);
    EXPECT_TRUE(nova.backend.wishes.empty());
}

TEST_F(CliTest, PassesNovasRefusalsOn) {
    ControlSide nova{folder_};
    const Ran unknown = run({"start", "nope", "--model", "m"});
    EXPECT_EQ(unknown.code, 5);
    EXPECT_NE(unknown.error.find("no engine called \"nope\""), std::string::npos) << unknown.error;
    EXPECT_EQ(run({"start", "llamacpp"}).code, 2);
    EXPECT_EQ(run({"start", "llamacpp", "--model", "m", "--option", "context"}).code, 2);
    EXPECT_EQ(run({"chat", "hi"}).code, 7);  // nothing is ready
    std::ofstream{folder_ + "/wrong"} << "0123456789abcdef0\n";
    EXPECT_EQ(run({"status", "--admin-secret-file", folder_ + "/wrong"}).code, 4);
}

struct Outcome {
    lifecycle::OperationState state;
    std::string error_code;
    int exit_code;
};

TEST_F(CliTest, WaitingEndsWithTheOutcomeAsExitCode) {
    using enum lifecycle::OperationState;
    ControlSide nova{folder_};
    const Outcome rows[] = {
        {succeeded, "", 0},          {failed, "runtime_failed", 1}, {failed, "not_found", 5},
        {failed, "precondition", 7}, {failed, "unavailable", 1},    {failed, "timeout", 9},
        {cancelled, "", 1},          {superseded, "", 6},           {rolled_back, "timeout", 10},
    };
    for (const Outcome& row : rows) {
        lifecycle::Operation operation;
        operation.id = OperationId{"op1"};
        operation.kind = "start";
        operation.target = "llamacpp m";
        operation.state = row.state;
        if (!row.error_code.empty()) {
            operation.error = lifecycle::OperationError{
                .code = row.error_code,
                .detail = "It broke.",
                .remedy = "Mend it.",
                .log_excerpt = "last words"
            };
        }
        nova.put(operation);
        const Ran ran = run({"start", "llamacpp", "--model", "m", "--wait"});
        EXPECT_EQ(ran.code, row.exit_code) << row.error_code << ran.error;
        if (operation.error) {
            EXPECT_NE(ran.error.find("It broke."), std::string::npos) << ran.error;
            EXPECT_NE(ran.error.find("last words"), std::string::npos) << ran.error;
        }
    }
}

TEST_F(CliTest, GivesUpWaitingWithCodeNineAndSaysThatItGoesOn) {
    ControlSide nova{folder_};
    lifecycle::Operation operation;
    operation.id = OperationId{"op1"};
    operation.state = lifecycle::OperationState::running;
    nova.put(operation);
    const Ran ran = run({"start", "llamacpp", "--model", "m", "--wait", "--timeout", "0.3"});
    EXPECT_EQ(ran.code, 9);
    EXPECT_NE(ran.error.find("nova cancel op1"), std::string::npos) << ran.error;
}

TEST_F(CliTest, TakesAFreeLockAsProofThatNovaIsGone) {
    {
        ControlSide nova{folder_};
        EXPECT_EQ(run({"status"}).code, 0);
    }
    EXPECT_TRUE(std::filesystem::exists(folder_ + "/runtime.json"));  // as after kill -9
    EXPECT_EQ(run({"status"}).code, 3);
    const Ran down = run({"down"});
    EXPECT_EQ(down.code, 0);
    EXPECT_NE(down.out.find("not running"), std::string::npos);
}

// As that of a container whose folder is mounted here, or of one that was killed before.
TEST_F(CliTest, ANovaThatIsNoProcessOfThisMachineIsNotSignalled) {
    ControlSide nova{folder_};
    Json told = Json::parse(std::ifstream{folder_ + "/runtime.json"});
    told["start_ticks"] = 1;
    std::ofstream{folder_ + "/runtime.json"} << told.dump();
    const Ran down = run({"down"});
    EXPECT_EQ(down.code, 7);
    EXPECT_NE(down.error.find("docker stop"), std::string::npos) << down.error;
    told["pid"] = 1;  // not who holds the lock
    std::ofstream{folder_ + "/runtime.json"} << told.dump();
    EXPECT_EQ(run({"status"}).code, 3);
}

// As in the image of nova: it listens everywhere, and is found on the loopback address.
TEST_F(CliTest, DoctorKnowsItsOwnPortWhereItListensEverywhere) {
    ControlSide nova{folder_};
    const Json told = Json::parse(std::ifstream{folder_ + "/runtime.json"});
    std::string at = told["gateway"];
    at.replace(0, at.find(':'), "0.0.0.0");
    ::setenv("NOVA_GATEWAY_LISTEN", at.c_str(), 1);
    const Json json = Json::parse(run({"doctor", "--json"}).out);
    ::unsetenv("NOVA_GATEWAY_LISTEN");
    const auto row = std::ranges::find_if(json["checks"], [](const Json& check) {
        return check["name"] == "gateway port";
    });
    ASSERT_NE(row, json["checks"].end());
    EXPECT_EQ((*row)["detail"], at + " is nova's.");
}

TEST_F(CliTest, DoctorNamesWhatIsWrong) {
    std::filesystem::create_directories(folder_);
    std::ofstream{folder_ + "/admin-secret"} << "b7e0d3f2a9c84410\n";
    std::filesystem::permissions(folder_ + "/admin-secret", std::filesystem::perms{0644});
    const Ran ran = run({"doctor", "--json"});
    EXPECT_EQ(ran.code, 7);
    const Json json = Json::parse(ran.out);
    EXPECT_EQ(json["ok"], false);
    EXPECT_EQ(json["checks"][0]["verdict"], "fail");
    EXPECT_NE(json["checks"][0]["remedy"].get<std::string>().find("chmod 600"), std::string::npos);
}

TEST_F(CliTest, ShowsWhatTheGpusDoAndWhatIsWrong) {
    ControlSide nova{folder_};
    const Ran ran = run({"gpu"});
    EXPECT_EQ(ran.code, 0) << ran.error;
    for (const char* part :
         {"NVIDIA Example", "12 %", "1.0 GiB of unknown", "26 W of 320 W", "42  llama-server",
          "It is lost.", "Reboot."}) {
        EXPECT_TRUE(ran.out.contains(part)) << part << " is not in\n" << ran.out;
    }
    const Json json = Json::parse(run({"gpu", "--json"}).out);
    EXPECT_EQ(json["gpus"][0]["vram_total_bytes"], nullptr);
    EXPECT_EQ(json["trouble"]["trouble"], "lost");
}

TEST_F(CliTest, DetectWorksWithoutADaemon) {
    const Ran ran = run({"detect", "--json"});
    EXPECT_EQ(ran.code, 0) << ran.error;
    EXPECT_GT(Json::parse(ran.out)["cpu_cores"].get<int>(), 0);
    EXPECT_FALSE(std::filesystem::exists(folder_));
}

}  // namespace
}  // namespace nova::app

// Which services of Compose become a wish of nova's, and which are only named.
#include <filesystem>
#include <fstream>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/compose_watch.hpp"
#include "core/run_task.hpp"
#include "recovery/fake_backend.hpp"

namespace nova::app {
namespace {

using runtime::ServiceByHand;

ServiceByHand service(const std::string& engine, const std::string& model) {
    return {
        .engine = engine,
        .container = "nova-" + engine,
        .id = engine + "-id",
        .model = model,
        .endpoint = {.host = "127.0.0.1", .port = 11434, .tls = false}
    };
}

class ComposeWatchTest : public testing::Test {
protected:
    ComposeWatchTest() { backend.state.phase = lifecycle::Phase::stopped; }

    Task<Result<std::vector<ServiceByHand>>> look() {
        ++looks;
        if (wanted_meanwhile) {
            backend.state.wanted = engine::BackendSpec{};
        }
        co_return found;
    }

    Task<std::string> model_at(Endpoint) { co_return loaded; }

    void look_once() { run_task(context, watch.look_once()); }

    asio::io_context context;
    VirtualClock clock;
    Log log{Log::Sink::none, LogLevel::error};
    recovery::FakeBackend backend;
    Result<std::vector<ServiceByHand>> found;
    std::string loaded = "smol:135m";
    bool may_start = true;
    bool wanted_meanwhile = false;
    int looks = 0;
    ComposeWatch watch{{
        .clock = clock,
        .log = log,
        .backend = backend,
        .may_start = [this] { return may_start; },
        .look = [this] { return look(); },
        .model_at = [this](Endpoint server) { return model_at(std::move(server)); },
    }};
};

TEST_F(ComposeWatchTest, WantsWhatRuns) {
    found->push_back(service("vllm", "org/model"));
    look_once();
    ASSERT_EQ(backend.wishes.size(), 1U);
    const auto& wish = backend.wishes.front();
    EXPECT_EQ(wish.actor, "compose");
    EXPECT_EQ(wish.spec->engine, EngineName{"vllm"});
    EXPECT_EQ(wish.spec->runtime, "docker");
    EXPECT_EQ(wish.spec->model, ModelId{"org/model"});
}

TEST_F(ComposeWatchTest, AsksAnEngineOfManyModelsUntilItHasOne) {
    found->push_back(service("ollama", ""));
    loaded = "";
    look_once();
    EXPECT_TRUE(backend.wishes.empty());
    loaded = "smol:135m";
    look_once();
    ASSERT_EQ(backend.wishes.size(), 1U);
    EXPECT_EQ(backend.wishes.front().spec->model, ModelId{"smol:135m"});
    backend.state.operation = OperationId{"op"};
    EXPECT_EQ(watch.offered(), found->front().endpoint);
    look_once();
    EXPECT_EQ(watch.offered(), found->front().endpoint) << "it is still on its way";
    backend.state.operation.reset();
    backend.state.wanted = backend.wishes.front().spec;
    look_once();
    backend.state.operation = OperationId{"another"};
    EXPECT_FALSE(watch.offered());
}

TEST_F(ComposeWatchTest, TakesAFileOnlyWhereItCanSeeIt) {
    const auto file = std::filesystem::path{testing::TempDir()} / "compose_watch_test.gguf";
    found->push_back(service("llamacpp", file.string()));
    std::filesystem::remove(file);
    look_once();
    EXPECT_TRUE(backend.wishes.empty());
    std::ofstream{file} << "GGUF";
    look_once();
    EXPECT_TRUE(backend.wishes.empty()) << "said once, and left alone";
    found->front().id = "another container";
    look_once();
    EXPECT_EQ(backend.wishes.size(), 1U);
    std::filesystem::remove(file);
}

TEST_F(ComposeWatchTest, LooksOnlyWhileNothingIsWanted) {
    found->push_back(service("vllm", "org/model"));
    backend.state.wanted = engine::BackendSpec{};
    look_once();
    backend.state.wanted.reset();
    backend.state.operation = OperationId{"op"};
    look_once();
    backend.state.operation.reset();
    backend.state.phase = lifecycle::Phase::recovering;
    look_once();
    backend.state.phase = lifecycle::Phase::stopped;
    may_start = false;
    look_once();
    EXPECT_EQ(looks, 0);
    may_start = true;
    wanted_meanwhile = true;
    look_once();
    EXPECT_EQ(looks, 1);
    EXPECT_TRUE(backend.wishes.empty()) << "somebody wanted something meanwhile";
}

TEST_F(ComposeWatchTest, ChoosesNoneOfSeveral) {
    *found = {service("vllm", "org/model"), service("ollama", "")};
    look_once();
    EXPECT_TRUE(backend.wishes.empty());
    found->pop_back();
    look_once();
    EXPECT_EQ(backend.wishes.size(), 1U) << "the other was stopped";
}

TEST_F(ComposeWatchTest, DoesNotInsistOnWhatWasRefused) {
    found->push_back(service("vllm", "org/model"));
    backend.answer = fail(ErrorCode::unavailable, "The store is away.");
    look_once();
    look_once();
    EXPECT_EQ(backend.wishes.size(), 2U) << "that passes";
    backend.answer = fail(ErrorCode::unprocessable, "No such engine.");
    look_once();
    look_once();
    EXPECT_EQ(backend.wishes.size(), 3U);
}

TEST_F(ComposeWatchTest, MakesNothingOfADaemonThatIsAway) {
    found = fail(ErrorCode::unavailable, "Docker is away.");
    look_once();
    EXPECT_TRUE(backend.wishes.empty());
}

}  // namespace
}  // namespace nova::app

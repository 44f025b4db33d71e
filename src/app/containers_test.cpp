#include <gtest/gtest.h>

#include "app/containers.hpp"
#include "net/test_server.hpp"
#include "store/memory_store.hpp"

namespace nova::app {
namespace {

class ContainersTest : public testing::Test {
protected:
    explicit ContainersTest(std::map<std::string, config::Layered<std::string>> seeds = {}) {
        seeds["docker.host"] = {.value = "unix:///nowhere/docker.sock"};
        seeds["docker.images"] = {.value = "vllm=registry.example/vllm:1"};
        settings_.emplace(store_, std::move(seeds));
        containers_.emplace(io_.get_executor(), clock_, *settings_, registry_, "");
    }

    std::string chosen(const std::string& engine, const std::string& now = "") {
        std::string word;
        net::testing::run_on(io_, [&]() -> Task<void> {
            word = co_await containers_->choose_runtime(EngineName{engine}, now);
        });
        return word;
    }

    asio::io_context io_;
    SystemClock clock_;
    store::MemoryStore store_;
    engine::EngineRegistry registry_ = engine::EngineRegistry::load("").value();
    std::optional<config::Settings> settings_;
    std::optional<Containers> containers_;
};

class SetToDocker : public ContainersTest {
protected:
    SetToDocker() : ContainersTest{{{"runtime", {.value = "docker"}}}} {}
};

TEST_F(ContainersTest, ChooseANativeProgramWhereNoDaemonAnswers) {
    EXPECT_EQ(chosen("llamacpp"), "process");
    EXPECT_EQ(chosen("custom"), "process");
    EXPECT_EQ(chosen("llamacpp", "docker"), "docker");  // it runs there
}

TEST_F(SetToDocker, IsWhatAPersonWanted) {
    EXPECT_EQ(chosen("llamacpp"), "docker");
    EXPECT_EQ(chosen("llamacpp", "process"), "docker");
}

TEST_F(SetToDocker, LetsAnEngineRunWithoutItsProgram) {
    std::vector<recovery::EngineStatus> engines(1);
    engines[0].backend = "llamacpp";
    engines[0].why_not = "There is no llama-server on this machine.";
    net::testing::run_on(io_, [&]() -> Task<void> { co_await containers_->complete(engines); });
    EXPECT_TRUE(engines[0].can_run);
    EXPECT_EQ(engines[0].why_not, "");
}

TEST_F(ContainersTest, KnowTheImagesThatStandForOthers) {
    EXPECT_EQ(containers_->image_of({"vllm"}), "registry.example/vllm:1");
    EXPECT_EQ(containers_->image_of({"llamacpp"}), "");
}

}  // namespace
}  // namespace nova::app

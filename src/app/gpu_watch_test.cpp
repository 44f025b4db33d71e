// Losing a GPU while an engine runs: said once, healed once, in virtual time.
#include <optional>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/gpu_watch.hpp"
#include "core/run_task.hpp"
#include "recovery/fake_backend.hpp"
#include "store/memory_store.hpp"

namespace nova::app {
namespace {

using hardware::GpuTrouble;
using hardware::NvidiaVerdict;

class GpuWatchTest : public testing::Test {
protected:
    GpuWatchTest() {
        machine.gpus = {{
            .vendor = hardware::GpuVendor::nvidia,
            .name = "NVIDIA Example",
            .vram = gib(24),
            .compute_capability = "8.9",
        }};
        report.host.verdict = NvidiaVerdict::found;
        serve(runtime::RuntimeKind::docker, 7);
        feed.subscribe([this](const lifecycle::FeedEvent& event) { events.push_back(event); });
    }

    void serve(runtime::RuntimeKind kind, std::uint64_t generation) {
        backend.state.phase = lifecycle::Phase::ready;
        backend.state.wanted = engine::BackendSpec{};
        backend.state.wanted->engine = {"llamacpp"};
        backend.state.instance = runtime::InstanceHandle{};
        backend.state.instance->runtime = kind;
        backend.state.instance->identity.generation = {generation};
    }

    Task<hardware::GpuReport> look() {
        ++looks;
        co_return report;
    }

    void look_once() { run_task(context, watch.look_once()); }

    void lose_inside() {
        report.asked_inside = true;
        report.inside.verdict = NvidiaVerdict::nvml_unknown;
    }

    asio::io_context context;
    VirtualClock clock;
    Log log{Log::Sink::none, LogLevel::error};
    hardware::HardwareSnapshot machine;
    hardware::GpuReport report;
    recovery::FakeBackend backend;
    store::MemoryStore store;
    lifecycle::EventFeed feed;
    const engine::EngineRegistry registry = engine::EngineRegistry::load("").value();
    int looks = 0;
    std::vector<lifecycle::FeedEvent> events;
    std::vector<std::pair<Generation, lifecycle::OperationError>> restarts;
    GpuWatch watch{{
        .clock = clock,
        .log = log,
        .hardware = [this] { return machine; },
        .look = [this] { return look(); },
        .found = [](const hardware::GpuFinding&) {},
        .backend = backend,
        .restart = [this](
                       Generation generation, lifecycle::OperationError why
                   ) { restarts.emplace_back(generation, std::move(why)); },
        .registry = registry,
        .store = store,
        .feed = feed,
    }};
};

TEST_F(GpuWatchTest, SaysNothingWhileAllIsWell) {
    look_once();
    EXPECT_EQ(looks, 1);
    EXPECT_TRUE(events.empty());
    EXPECT_TRUE(restarts.empty());
}

TEST_F(GpuWatchTest, LooksAtNothingWithoutAGpu) {
    machine.gpus.clear();
    look_once();
    EXPECT_EQ(looks, 0);
}

TEST_F(GpuWatchTest, StartsAContainerAnewThatLostItsGpuButOnlyOnce) {
    lose_inside();
    look_once();
    ASSERT_EQ(restarts.size(), 1U);
    EXPECT_EQ(restarts[0].first, Generation{7});
    EXPECT_EQ(restarts[0].second.code, "gpu_taken");
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].type, "gpu");
    EXPECT_GT(events[0].id, 0U);
    const Json said = Json::parse(events[0].json);
    EXPECT_EQ(said["trouble"], "taken");
    EXPECT_EQ(said["restarting"], true);
    look_once();  // the same again is no news
    EXPECT_EQ(events.size(), 1U);
    EXPECT_EQ(restarts.size(), 1U);

    serve(runtime::RuntimeKind::docker, 8);  // the new one has lost it as well
    look_once();
    EXPECT_EQ(restarts.size(), 1U);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_TRUE(Json::parse(events[1].json)["detail"].get<std::string>().contains("did not"));
    EXPECT_EQ(Json::parse(events[1].json)["restarting"], false);
}

TEST_F(GpuWatchTest, SaysThatItIsBack) {
    lose_inside();
    look_once();
    report.inside.verdict = NvidiaVerdict::found;
    look_once();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(Json::parse(events[1].json)["trouble"], "none");
    EXPECT_EQ(watch.finding().trouble, GpuTrouble::none);
}

TEST_F(GpuWatchTest, HealsTheSameTroubleAgainAfterTenMinutes) {
    lose_inside();
    look_once();
    report.inside.verdict = NvidiaVerdict::found;
    look_once();
    clock.advance(std::chrono::minutes{11});
    report.inside.verdict = NvidiaVerdict::nvml_unknown;
    look_once();
    EXPECT_EQ(restarts.size(), 2U);
}

TEST_F(GpuWatchTest, DoesNotRestartForWhatTheHostLost) {
    report.host.lost = true;
    look_once();
    EXPECT_TRUE(restarts.empty());
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(Json::parse(events[0].json)["remedy"].get<std::string>().contains("reboot"));
}

TEST_F(GpuWatchTest, KnowsFromItsLogThatAnEngineFellBackToTheCpu) {
    backend.log = "load_backend\nwarning: no usable GPU found, --gpu-layers option will be ignored";
    look_once();
    ASSERT_EQ(restarts.size(), 1U);
    EXPECT_EQ(restarts[0].second.code, "gpu_on_cpu");

    serve(runtime::RuntimeKind::process, 9);
    look_once();
    EXPECT_EQ(restarts.size(), 1U) << "a native build without CUDA finds none the next time either";
    ASSERT_EQ(events.size(), 2U);
    EXPECT_TRUE(Json::parse(events[1].json)["remedy"].get<std::string>().contains("Install a build")
    );
}

TEST_F(GpuWatchTest, LeavesAnEngineAloneThatWasToUseNoGpu) {
    backend.state.wanted->options["gpu_layers"] = "0";
    backend.log = "no usable GPU found";
    lose_inside();
    look_once();
    EXPECT_TRUE(restarts.empty());
    EXPECT_TRUE(events.empty());
}

TEST_F(GpuWatchTest, WaitsWithItsJudgementUntilTheEngineServes) {
    lose_inside();
    backend.state.phase = lifecycle::Phase::starting;
    look_once();
    EXPECT_TRUE(restarts.empty());
}

}  // namespace
}  // namespace nova::app

// The controller in a small world of its own: virtual time, a runtime that can be told to fail, and
// a store that survives the controller.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/random.hpp"
#include "lifecycle/backend_controller.hpp"
#include "lifecycle/sim_nova.hpp"

namespace nova::lifecycle {
namespace {

class BackendControllerTest : public testing::Test {
protected:
    Nova& boot() {
        nova_.reset();
        nova_ = std::make_unique<Nova>(io_, clock_, machine_, store_);
        nova_->run_for(Milliseconds{10});
        return *nova_;
    }

    Phase phase() const { return nova_->controller.status().phase; }

    std::vector<Operation> operations() {
        std::vector<Operation> result;
        nova_->tasks.spawn("list", list(result));
        nova_->run_for(Milliseconds{1});
        return result;
    }

    Task<void> list(std::vector<Operation>& into) {
        const auto rows = co_await store_.operations(100);
        for (const auto& row : *rows) {
            into.push_back(*operation_from(*parse_json(row.json, "operation")));
        }
    }

    Task<void> cancel(OperationId id) {
        const auto done = co_await nova_->controller.cancel(id);
        EXPECT_TRUE(done);
        const auto again = co_await nova_->controller.cancel(id);
        EXPECT_EQ(again.error().code, ErrorCode::conflict);
        const auto unknown = co_await nova_->controller.cancel({"op-unknown"});
        EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
    }

    std::vector<OperationState> outcomes() {
        std::vector<OperationState> result;
        for (const Operation& operation : operations()) {
            result.insert(result.begin(), operation.state);
        }
        return result;
    }

    void ready(const std::string& model) {
        nova_->want(model);
        nova_->run_for(std::chrono::seconds{2});
        ASSERT_EQ(phase(), Phase::ready);
    }

    asio::io_context io_;
    VirtualClock clock_;
    SimMachine machine_;
    FragileStore store_;
    std::unique_ptr<Nova> nova_;
};

TEST_F(BackendControllerTest, StartsWhatIsWantedAndOpensTraffic) {
    Nova& nova = boot();
    EXPECT_EQ(phase(), Phase::stopped);
    const auto answer = nova.want("a");
    nova.run_for(std::chrono::seconds{2});
    ASSERT_TRUE(*answer && **answer);
    EXPECT_FALSE((**answer)->already);
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.running(), 1U);
    ASSERT_TRUE(nova.traffic.last.open);
    EXPECT_EQ(nova.traffic.last.open->models, std::vector<std::string>{"model"});
    EXPECT_EQ(nova.controller.status().active_model, "a");
    EXPECT_EQ(outcomes(), std::vector{OperationState::succeeded});
    const Operation operation = operations().front();
    EXPECT_EQ(operation.kind, "start");
    EXPECT_EQ(operation.target, "one a");
    std::vector<std::string> phases;
    for (const OperationPhase& phase : operation.phases) {
        phases.push_back(phase.id + " " + phase.state);
    }
    EXPECT_EQ(
        phases, (std::vector<std::string>{
                    "weights succeeded", "program succeeded", "create succeeded", "load succeeded",
                    "route succeeded"
                })
    );
    EXPECT_EQ(operation.phases[0].total, 2U);
    EXPECT_EQ(operation.phases[1].detail, "/bin/engine");
}

TEST_F(BackendControllerTest, SaysThatTheSameIsOnItsWayAlready) {
    Nova& nova = boot();
    ready("a");
    const auto answer = nova.want("a");
    nova.run_for(std::chrono::seconds{1});
    EXPECT_TRUE((**answer)->already);
    EXPECT_EQ(outcomes().size(), 1U);
}

TEST_F(BackendControllerTest, RefusesAnEngineItDoesNotKnowWithoutAnOperation) {
    Nova& nova = boot();
    const auto answer = nova.want("unknown/a");
    nova.run_for(std::chrono::seconds{1});
    ASSERT_FALSE(**answer);
    EXPECT_EQ((**answer).error().code, ErrorCode::unprocessable);
    EXPECT_TRUE(operations().empty());
}

TEST_F(BackendControllerTest, StopsAfterTrafficIsClosedAndDrained) {
    Nova& nova = boot();
    ready("a");
    nova.traffic.request_takes = std::chrono::seconds{60};
    nova.want(std::nullopt);
    nova.run_for(std::chrono::seconds{14});
    EXPECT_EQ(phase(), Phase::draining);
    EXPECT_FALSE(nova.traffic.last.open);
    EXPECT_EQ(machine_.running(), 1U);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(nova.traffic.cuts, 1U);
    EXPECT_EQ(phase(), Phase::stopped);
    EXPECT_EQ(machine_.running(), 0U);
}

TEST_F(BackendControllerTest, BringsAnExitedEngineBackAtOnce) {
    boot();
    ready("a");
    machine_.instances.front().running = false;
    nova_->run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_EQ(nova_->controller.status().attempts, 1U);
    nova_->run_for(std::chrono::minutes{6});
    EXPECT_EQ(nova_->controller.status().attempts, 0U);
}

TEST_F(BackendControllerTest, ReplacesAnEngineThatLostItsGpuOnce) {
    boot();
    ready("a");
    const Generation first = nova_->controller.status().instance->identity.generation;
    const OperationError why{
        .code = "gpu_taken", .detail = "The GPU was taken.", .remedy = "Wait.", .log_excerpt = {}
    };
    nova_->controller.condemn(first, why);
    nova_->run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.running(), 1U);
    const Generation second = nova_->controller.status().instance->identity.generation;
    EXPECT_NE(second, first);
    nova_->controller.condemn(first, why);  // the old one's number means nobody
    nova_->run_for(std::chrono::seconds{3});
    EXPECT_EQ(nova_->controller.status().instance->identity.generation, second);
}

TEST_F(BackendControllerTest, BacksOffWhenAnEngineNeverBecomesReady) {
    Nova& nova = boot();
    machine_.deaf = true;
    nova.want("a");
    nova.run_for(std::chrono::seconds{125});
    EXPECT_EQ(phase(), Phase::backing_off);
    EXPECT_EQ(nova.controller.status().error->code, "start_timeout");
    EXPECT_TRUE(nova.controller.status().retry_at);
    EXPECT_EQ(outcomes(), std::vector{OperationState::failed});
    machine_.deaf = false;
    nova.run_for(std::chrono::seconds{35});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_FALSE(nova.controller.status().error);
}

TEST_F(BackendControllerTest, AcceptsNothingThatIsNotStored) {
    Nova& nova = boot();
    store_.away = true;
    const auto answer = nova.want("a");
    nova.run_for(std::chrono::seconds{1});
    ASSERT_TRUE(*answer);
    ASSERT_FALSE(**answer);
    EXPECT_EQ((**answer).error().code, ErrorCode::unavailable);
    EXPECT_EQ(phase(), Phase::stopped);
    store_.away = false;
    ready("a");
    // A store that goes away later changes nothing of what is served.
    store_.away = true;
    machine_.instances.front().running = false;
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.running(), 1U);
}

TEST_F(BackendControllerTest, CancelsAStartAndWantsWhatRanBefore) {
    Nova& nova = boot();
    ready("a");
    nova.weights.takes = std::chrono::hours{1};
    nova.want("b");
    nova.run_for(std::chrono::seconds{2});
    nova.tasks.spawn("cancel", cancel(*nova.controller.status().operation));
    nova.run_for(std::chrono::seconds{2});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().model, "a");
    EXPECT_EQ(outcomes(), (std::vector{OperationState::succeeded, OperationState::cancelled}));
}

TEST_F(BackendControllerTest, ReplacesAnEngineThatStoppedAnswering) {
    boot();
    ready("a");
    machine_.instances.front().answers = false;
    nova_->run_for(std::chrono::seconds{90});
    EXPECT_EQ(phase(), Phase::ready);  // two strikes: it may be busy
    EXPECT_FALSE(machine_.instances.front().answers);
    nova_->run_for(std::chrono::seconds{20});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_TRUE(machine_.instances.front().answers);
}

TEST_F(BackendControllerTest, AdoptsTheRunningEngineAfterAKill) {
    boot();
    ready("a");
    const auto before = machine_.instances.front().handle;
    Nova& second = boot();
    second.run_for(std::chrono::seconds{1});
    EXPECT_EQ(phase(), Phase::ready);
    ASSERT_EQ(machine_.instances.size(), 1U);
    EXPECT_EQ(machine_.instances.front().handle, before);
    EXPECT_EQ(second.runtime.stops, 0U);
    EXPECT_EQ(second.controller.status().active_model, "model");
    ASSERT_TRUE(second.traffic.last.open);
}

TEST_F(BackendControllerTest, SweepsWhatNobodyWantsBeforeItStartsAnything) {
    boot();
    ready("a");
    nova_->want("b");
    nova_->run_for(Milliseconds{20});  // committed, not prepared yet
    Nova& second = boot();
    second.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(second.controller.status().model, "b");
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_EQ(machine_.most_at_once, 1U);
}

TEST_F(BackendControllerTest, ServesTheOldModelUntilTheNewOneIsPrepared) {
    Nova& nova = boot();
    ready("a");
    nova.weights.takes = std::chrono::seconds{30};
    nova.want("b");
    nova.run_for(std::chrono::seconds{29});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().active_model, "a");
    EXPECT_TRUE(nova.traffic.last.open);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().active_model, "b");
    EXPECT_EQ(machine_.most_at_once, 1U);
    EXPECT_EQ(outcomes(), (std::vector{OperationState::succeeded, OperationState::succeeded}));
}

TEST_F(BackendControllerTest, LeavesTheOldOneAloneWhenTheNewOneCannotBePrepared) {
    Nova& nova = boot();
    ready("a");
    const auto before = machine_.instances.front().handle;
    nova.want("missing");
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.instances.front().handle, before);
    const Operation operation = operations().front();
    EXPECT_EQ(operation.state, OperationState::failed);
    ASSERT_TRUE(operation.error);
    EXPECT_EQ(operation.error->remedy, "Choose another.");
    Nova& second = boot();
    second.run_for(std::chrono::seconds{3});
    EXPECT_EQ(second.controller.status().model, "a");
    EXPECT_EQ(machine_.instances.front().handle, before);
}

TEST_F(BackendControllerTest, BringsTheOldOneBackWhenTheNewOneDies) {
    Nova& nova = boot();
    ready("a");
    machine_.broken_models = {"b"};
    nova.want("b");
    nova.run_for(std::chrono::seconds{5});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().model, "a");
    const Operation operation = operations().front();
    EXPECT_EQ(operation.state, OperationState::rolled_back);
    ASSERT_TRUE(operation.error);
    EXPECT_EQ(operation.error->code, "model_broken");
    EXPECT_NE(operation.error->log_excerpt.find("file bounds"), std::string::npos);
}

// llama.cpp prints metadata cut after so many bytes, also within a character.
TEST_F(BackendControllerTest, LivesWithALogThatIsNoUtf8) {
    Nova& nova = boot();
    machine_.broken_models = {"b"};
    machine_.broken_log = "tokens \xe2\x96 \xff\n" + machine_.broken_log;
    nova.want("b");
    nova.run_for(std::chrono::seconds{5});
    const Operation operation = operations().front();
    ASSERT_TRUE(operation.error);
    EXPECT_EQ(operation.error->code, "model_broken");
    EXPECT_NE(operation.error->log_excerpt.find("tokens \xef\xbf\xbd"), std::string::npos)
        << operation.error->log_excerpt;
}

TEST_F(BackendControllerTest, TellsTheCauseOfARollBackUntilALaterWishHasSucceeded) {
    boot();
    ready("a");
    EXPECT_FALSE(nova_->controller.status().last_failure);
    machine_.broken_models = {"b"};
    nova_->want("b");
    nova_->run_for(std::chrono::seconds{5});
    boot();
    nova_->run_for(std::chrono::seconds{5});
    ASSERT_EQ(phase(), Phase::ready);
    EXPECT_FALSE(nova_->controller.status().error);
    const auto failure = nova_->controller.status().last_failure;
    ASSERT_TRUE(failure);
    EXPECT_TRUE(failure->rolled_back);
    EXPECT_EQ(failure->target, "one b");
    EXPECT_EQ(failure->error.code, "model_broken");
    ready("c");
    EXPECT_FALSE(nova_->controller.status().last_failure);
}

TEST_F(BackendControllerTest, TellsWhyAnEngineWasReplacedAfterItWas) {
    boot();
    ready("a");
    machine_.instances.front().running = false;
    nova_->run_for(std::chrono::seconds{5});
    ASSERT_EQ(phase(), Phase::ready);
    EXPECT_FALSE(nova_->controller.status().error);
    const auto failure = nova_->controller.status().last_failure;
    ASSERT_TRUE(failure);
    EXPECT_FALSE(failure->rolled_back);
    EXPECT_NE(failure->error.detail.find("exited"), std::string::npos) << failure->error.detail;
}

TEST_F(BackendControllerTest, GivesUpOnATerminalCauseAndTriesAgainWhenAsked) {
    Nova& nova = boot();
    machine_.broken_models = {"b"};
    nova.want("b");
    nova.run_for(std::chrono::minutes{10});
    EXPECT_EQ(phase(), Phase::failed);
    EXPECT_EQ(machine_.running(), 0U);
    EXPECT_EQ(nova.controller.status().error->code, "model_broken");
    EXPECT_EQ(outcomes(), std::vector{OperationState::failed});
    machine_.broken_models.clear();
    nova.want("b");
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
}

TEST_F(BackendControllerTest, GivesEveryWishOneOutcomeWhenManyComeAtOnce) {
    Nova& nova = boot();
    for (int i = 0; i < 50; ++i) {
        nova.want(fmt::format("m{}", i % 7));
    }
    nova.run_for(std::chrono::seconds{10});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().model, "m0");  // 49 % 7
    const auto all = outcomes();
    EXPECT_EQ(all.size(), 50U);
    EXPECT_EQ(std::ranges::count(all, OperationState::succeeded), 1);
    EXPECT_EQ(std::ranges::count(all, OperationState::superseded), 49);
    EXPECT_EQ(machine_.most_at_once, 1U);
}

TEST_F(BackendControllerTest, ChangesTheModelOfAManyModelEngineWithoutARestart) {
    Nova& nova = boot();
    ready("many/x");
    const auto before = machine_.instances.front().handle;
    nova.traffic.history.clear();
    nova.want("many/y");
    nova.run_for(std::chrono::seconds{2});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova.controller.status().active_model, "y");
    EXPECT_EQ(machine_.instances.front().handle, before);
    EXPECT_EQ(std::ranges::count(nova.traffic.history, "closed"), 0);
}

TEST_F(BackendControllerTest, StopsTheEngineWhenItLeavesAndWantsItAgainNextTime) {
    Nova& nova = boot();
    ready("a");
    nova.controller.leave(Leave::stop);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(machine_.running(), 0U);
    EXPECT_EQ(nova.tasks.running(), 0U);
    Nova& second = boot();
    second.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
}

TEST_F(BackendControllerTest, LeavesTheEngineRunningWhenToldTo) {
    Nova& nova = boot();
    ready("a");
    nova.controller.leave(Leave::keep);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_FALSE(nova.traffic.last.open);
    EXPECT_EQ(nova.tasks.running(), 0U);
}

// Anything at any time, then calm: one engine at most at every moment, and in the end what is
// wanted runs and every accepted wish has its outcome.
TEST_F(BackendControllerTest, ConvergesAfterAStormForEverySeed) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Random random{seed};
        boot();
        std::string last = "none";
        machine_.broken_models = {"m3"};
        for (int step = 0; step < 30; ++step) {
            switch (random.below(6)) {
            case 0:
            case 1:
                last = fmt::format("m{}", random.below(4));
                nova_->want(last);
                break;
            case 2:
                last = "none";
                nova_->want(std::nullopt);
                break;
            case 3:
                if (!machine_.instances.empty()) {
                    machine_.instances.front().running = false;
                }
                break;
            case 4:
                boot();
                break;
            default:
                nova_->traffic.request_takes = Milliseconds{random.below(20'000)};
                break;
            }
            nova_->run_for(Milliseconds{random.below(1 + (1ULL << random.below(14)))});
            ASSERT_LE(machine_.running(), 1U);
            ASSERT_TRUE(phase() != Phase::ready || machine_.instances.size() == 1U);
        }
        nova_->traffic.request_takes = Milliseconds{5};
        machine_.broken_models.clear();
        nova_->run_for(std::chrono::minutes{10});
        const BackendStatus status = nova_->controller.status();
        ASSERT_TRUE(
            status.phase == Phase::ready || status.phase == Phase::stopped ||
            status.phase == Phase::failed
        ) << name(status.phase);
        ASSERT_EQ(machine_.running(), status.phase == Phase::ready ? 1U : 0U);
        for (const Operation& operation : operations()) {
            ASSERT_TRUE(finished(operation.state)) << to_json(operation).dump();
        }
    }
    EXPECT_EQ(machine_.most_at_once, 1U);
}

TEST_F(BackendControllerTest, KeepsAnOutcomeThatWasNotStoredBesideANewWish) {
    Nova& nova = boot();
    ready("a");
    nova.want("b");
    nova.run_for(Milliseconds{10});
    store_.away = true;
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    store_.away = false;
    const auto answer = nova.want("c");  // before the outcome could be written again
    nova.run_for(std::chrono::seconds{3});
    ASSERT_TRUE(*answer && **answer);
    EXPECT_EQ(outcomes(), std::vector(3, OperationState::succeeded));
}

TEST_F(BackendControllerTest, WritesWhatTheStoreMissedWhenNothingElseHappens) {
    Nova& nova = boot();
    ready("a");
    nova.want(std::nullopt);
    nova.run_for(Milliseconds{1});
    store_.away = true;
    std::vector<FeedEvent> published;
    nova.feed.subscribe([&](const FeedEvent& event) { published.push_back(event); });
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::stopped);
    EXPECT_TRUE(published.empty());
    store_.away = false;
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(outcomes().back(), OperationState::succeeded);
    ASSERT_FALSE(published.empty());
    EXPECT_EQ(parse_json(published.back().json, "event")->at("phase"), "stopped");
}

TEST_F(BackendControllerTest, DoesNotTakeARuntimeThatCannotSayForAnExit) {
    boot();
    machine_.mute = true;
    ready("a");
    nova_->run_for(std::chrono::seconds{10});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova_->runtime.stops, 0U);
    machine_.mute = false;
    machine_.instances.front().running = false;
    nova_->run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova_->runtime.stops, 1U);
}

TEST_F(BackendControllerTest, WaitsForTheOperationOfItsRecordBeforeItGoesOn) {
    boot();
    nova_->weights.takes = std::chrono::seconds{5};
    nova_->want("a");
    nova_->run_for(std::chrono::seconds{1});
    store_.operation_away = true;
    boot();
    nova_->run_for(std::chrono::seconds{2});
    store_.operation_away = false;
    nova_->run_for(std::chrono::seconds{5});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(outcomes(), std::vector{OperationState::succeeded});
}

TEST_F(BackendControllerTest, GivesFiftyWishesAtOnceOneHistory) {
    Nova& nova = boot();
    ready("a");
    std::vector<std::shared_ptr<std::optional<Result<Accepted>>>> answers;
    for (int i = 0; i < 50; ++i) {
        answers.push_back(nova.want(fmt::format("model-{}", i)));
    }
    nova.run_for(std::chrono::seconds{5});
    std::vector<std::uint64_t> generations;
    for (const auto& answer : answers) {
        ASSERT_TRUE(*answer && **answer);
        EXPECT_FALSE((**answer)->already);
        generations.push_back((**answer)->generation.value);
    }
    EXPECT_TRUE(std::ranges::is_sorted(generations));
    const auto all = outcomes();
    EXPECT_EQ(all.size(), 51U);
    EXPECT_EQ(std::ranges::count(all, OperationState::superseded), 49);
    EXPECT_EQ(std::ranges::count(all, OperationState::succeeded), 2);
    EXPECT_EQ(nova.controller.status().active_model, "model-49");
    EXPECT_EQ(machine_.most_at_once, 1U);
}

}  // namespace
}  // namespace nova::lifecycle

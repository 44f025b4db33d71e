// Switches with two instances beside each other, in the small world of sim_nova.hpp.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/random.hpp"
#include "lifecycle/sim_nova.hpp"

namespace nova::lifecycle {
namespace {

class SwitchTest : public testing::Test {
protected:
    Nova& boot() {
        nova_.reset();
        nova_ = std::make_unique<Nova>(io_, clock_, machine_, store_);
        nova_->memory.room = room_;
        nova_->weights.takes = preparing_takes_;
        nova_->run_for(Milliseconds{10});
        return *nova_;
    }

    // A serves; what is published from now on stands in the history.
    Nova& serving(const std::string& model) {
        Nova& nova = boot();
        nova.want(model);
        nova.run_for(std::chrono::seconds{2});
        EXPECT_EQ(phase(), Phase::ready);
        nova.traffic.history.clear();
        return nova;
    }

    Phase phase() const { return nova_->controller.status().phase; }

    std::string served() const { return nova_->controller.status().active_model; }

    std::ptrdiff_t closures() const { return std::ranges::count(nova_->traffic.history, "closed"); }

    Operation last_operation() {
        std::vector<Operation> all;
        nova_->tasks.spawn("list", list(all));
        nova_->run_for(Milliseconds{1});
        return all.front();
    }

    Task<void> list(std::vector<Operation>& into) {
        const auto rows = co_await store_.operations(100);
        for (const auto& row : *rows) {
            into.push_back(*operation_from(*parse_json(row.json, "operation")));
        }
    }

    static std::string choice(const Operation& operation) {
        for (const OperationPhase& phase : operation.phases) {
            if (phase.id == "strategy") {
                return phase.detail;
            }
        }
        return "no choice";
    }

    bool room_ = true;
    Milliseconds preparing_takes_{50};
    asio::io_context io_;
    VirtualClock clock_;
    SimMachine machine_;
    FragileStore store_;
    std::unique_ptr<Nova> nova_;
};

TEST_F(SwitchTest, MovesTrafficByOnePublicationWhenMemoryAdmitsBoth) {
    Nova& nova = serving("a");
    nova.want("b");
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(served(), "b");
    EXPECT_EQ(closures(), 0);
    EXPECT_EQ(machine_.most_at_once, 2U);
    EXPECT_EQ(machine_.running(), 1U);
    const Operation operation = last_operation();
    EXPECT_EQ(operation.state, OperationState::succeeded);
    EXPECT_EQ(choice(operation), "blue-green: there is room");
}

TEST_F(SwitchTest, LetsTheRequestsOfTheOldSideEndBeforeItStops) {
    Nova& nova = serving("a");
    nova.traffic.request_takes = std::chrono::seconds{8};
    nova.want("b");
    nova.run_for(std::chrono::seconds{5});
    EXPECT_EQ(served(), "b");
    EXPECT_EQ(machine_.running(), 2U);
    nova.run_for(std::chrono::seconds{5});
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_EQ(nova.traffic.cuts, 0U);
    nova.traffic.request_takes = std::chrono::minutes{1};
    nova.want("a");
    nova.run_for(std::chrono::seconds{25});
    EXPECT_EQ(nova.traffic.cuts, 1U);
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_EQ(closures(), 0);
}

TEST_F(SwitchTest, GivesTheTwoDifferentNames) {
    Nova& nova = serving("a");
    nova.traffic.request_takes = std::chrono::seconds{8};
    nova.want("b");
    nova.run_for(std::chrono::seconds{5});
    ASSERT_EQ(machine_.instances.size(), 2U);
    EXPECT_EQ(machine_.instances[0].handle.name, "sim");
    EXPECT_EQ(machine_.instances[1].handle.name, "sim-2");
}

TEST_F(SwitchTest, DrainsFirstWhenMemoryDoesNotAdmitBoth) {
    room_ = false;
    Nova& nova = serving("a");
    nova.want("b");
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(served(), "b");
    EXPECT_GE(closures(), 1);
    EXPECT_EQ(machine_.most_at_once, 1U);
    EXPECT_EQ(choice(last_operation()), "drain: there is no room");
}

TEST_F(SwitchTest, DrainsFirstWhenThatIsAskedFor) {
    Nova& nova = serving("a");
    nova.want("b", Strategy::drain);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(served(), "b");
    EXPECT_EQ(machine_.most_at_once, 1U);
    EXPECT_EQ(choice(last_operation()), "drain: it was asked for");
}

TEST_F(SwitchTest, FailsBeforeAnythingIsTouchedWhenBlueGreenIsImpossible) {
    room_ = false;
    Nova& nova = serving("a");
    const auto before = machine_.instances.front().handle;
    nova.want("b", Strategy::blue_green);
    nova.run_for(std::chrono::seconds{3});
    EXPECT_EQ(served(), "a");
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(machine_.instances.front().handle, before);
    EXPECT_EQ(closures(), 0);
    const Operation operation = last_operation();
    EXPECT_EQ(operation.state, OperationState::failed);
    ASSERT_TRUE(operation.error);
    EXPECT_EQ(operation.error->code, "memory_short");
    EXPECT_FALSE(operation.error->remedy.empty());
    EXPECT_EQ(choice(operation), "refused: there is no room");
}

TEST_F(SwitchTest, NeverClosesTheOldSideForACandidateThatDies) {
    Nova& nova = serving("a");
    const auto before = machine_.instances.front().handle;
    machine_.broken_models = {"b"};
    nova.want("b");
    nova.run_for(std::chrono::seconds{5});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(served(), "a");
    EXPECT_EQ(nova.controller.status().model, "a");
    EXPECT_EQ(closures(), 0);
    ASSERT_EQ(machine_.instances.size(), 1U);
    EXPECT_EQ(machine_.instances.front().handle, before);
    const Operation operation = last_operation();
    EXPECT_EQ(operation.state, OperationState::rolled_back);
    ASSERT_TRUE(operation.error);
    EXPECT_EQ(operation.error->code, "model_broken");
}

TEST_F(SwitchTest, KeepsTheWantedOneOfTwoAfterAKill) {
    Nova& nova = serving("a");
    nova.traffic.request_takes = std::chrono::seconds{14};
    nova.want("b");
    nova.run_for(std::chrono::seconds{3});
    ASSERT_EQ(machine_.running(), 2U);
    const auto wanted = machine_.instances.back().handle;
    Nova& second = boot();
    second.run_for(std::chrono::seconds{2});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(second.controller.status().model, "b");
    ASSERT_EQ(machine_.instances.size(), 1U);
    EXPECT_EQ(machine_.instances.front().handle, wanted);
}

TEST_F(SwitchTest, LetsTheOldOneServeAfterAKillUntilTheWantedOneIsPrepared) {
    Nova& nova = serving("a");
    preparing_takes_ = std::chrono::minutes{1};
    nova.weights.takes = preparing_takes_;
    nova.want("b");
    nova.run_for(std::chrono::seconds{3});
    Nova& second = boot();
    second.run_for(std::chrono::seconds{30});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(second.runtime.stops, 0U);
    ASSERT_TRUE(second.traffic.last.open);
    second.run_for(std::chrono::minutes{1});
    EXPECT_EQ(second.controller.status().model, "b");
    EXPECT_EQ(machine_.running(), 1U);
    EXPECT_EQ(last_operation().state, OperationState::succeeded);
}

TEST_F(SwitchTest, FreesTheOldModelOfAnEngineOfManyOnceTheNewOneIsPublished) {
    Nova& nova = serving("many/x");
    EXPECT_TRUE(nova.engine.unloaded.empty());
    nova.want("many/y");
    nova.run_for(std::chrono::seconds{2});
    EXPECT_EQ(nova.engine.unloaded, std::vector<std::string>{"x"});
    EXPECT_EQ(closures(), 0);
}

// Anything at any time with room for two, then calm: never three, in the end one, and every wish
// has its outcome.
TEST_F(SwitchTest, ConvergesAfterAStormForEverySeed) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Random random{seed};
        boot();
        machine_.broken_models = {"m3"};
        for (int step = 0; step < 30; ++step) {
            const auto pick = random.below(7);
            if (pick < 3) {
                nova_->want(fmt::format("m{}", random.below(4)));
            } else if (pick == 3 && !machine_.instances.empty()) {
                machine_.instances[random.below(machine_.instances.size())].running = false;
            } else if (pick == 4) {
                boot();
            } else if (pick == 5) {
                nova_->memory.room = !nova_->memory.room;
            } else {
                nova_->traffic.request_takes = Milliseconds{random.below(20'000)};
            }
            nova_->run_for(Milliseconds{random.below(1 + (1ULL << random.below(14)))});
            ASSERT_LE(machine_.instances.size(), 2U);
        }
        nova_->traffic.request_takes = Milliseconds{5};
        machine_.broken_models.clear();
        nova_->run_for(std::chrono::minutes{10});
        const bool up = phase() == Phase::ready;
        ASSERT_TRUE(up || phase() == Phase::stopped || phase() == Phase::failed) << name(phase());
        ASSERT_EQ(machine_.running(), up ? 1U : 0U);
        std::vector<Operation> all;
        nova_->tasks.spawn("list", list(all));
        nova_->run_for(Milliseconds{1});
        for (const Operation& operation : all) {
            ASSERT_TRUE(finished(operation.state)) << to_json(operation).dump();
        }
    }
    EXPECT_EQ(machine_.most_at_once, 2U);
}

}  // namespace
}  // namespace nova::lifecycle

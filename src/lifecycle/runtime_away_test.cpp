// A runtime that cannot be asked: what it may hold is unknown, never nothing.
#include <gtest/gtest.h>

#include "lifecycle/sim_nova.hpp"

namespace nova::lifecycle {
namespace {

using std::chrono::seconds;

class RuntimeAway : public testing::Test {
protected:
    void boot() {
        nova_.reset();
        nova_ = std::make_unique<Nova>(io_, clock_, machine_, store_);
        nova_->run_for(seconds{5});
    }

    Phase phase() const { return nova_->controller.status().phase; }

    asio::io_context io_;
    VirtualClock clock_;
    SimMachine machine_;
    FragileStore store_;
    std::unique_ptr<Nova> nova_;
};

TEST_F(RuntimeAway, StartsNothingWhileAnEngineOfOursMayRunThere) {
    boot();
    nova_->want("a");
    nova_->run_for(seconds{3});
    ASSERT_EQ(phase(), Phase::ready);
    machine_.away = true;
    boot();
    nova_->want("b");
    nova_->run_for(seconds{60});
    EXPECT_EQ(phase(), Phase::recovering);
    EXPECT_EQ(machine_.running(), 1U);
    const auto error = nova_->controller.status().error;
    ASSERT_TRUE(error);
    EXPECT_NE(error->detail.find("cannot say what of ours runs there"), std::string::npos);
    EXPECT_NE(error->remedy.find("Start process again"), std::string::npos);
    machine_.away = false;
    nova_->run_for(seconds{10});
    EXPECT_EQ(phase(), Phase::ready);
    EXPECT_EQ(nova_->controller.status().active_model, "b");
    EXPECT_FALSE(nova_->controller.status().error);
    EXPECT_EQ(machine_.most_at_once, 1U);
}

TEST_F(RuntimeAway, IsNotWaitedForWhenNothingWasEverStartedThere) {
    machine_.away = true;
    boot();
    EXPECT_EQ(phase(), Phase::stopped);
}

TEST_F(RuntimeAway, IsNotWaitedForOnceWhatRanThereIsProvenGone) {
    boot();
    nova_->want("a");
    nova_->run_for(seconds{3});
    nova_->want(std::nullopt);
    nova_->run_for(seconds{3});
    ASSERT_EQ(phase(), Phase::stopped);
    machine_.away = true;
    boot();
    EXPECT_EQ(phase(), Phase::stopped);
}

TEST_F(RuntimeAway, IsNotWaitedForOnceARestartFoundNothingThere) {
    boot();
    nova_->want("a");
    nova_->run_for(seconds{3});
    machine_.instances.clear();
    machine_.broken_models = {"a"};
    boot();
    nova_->want(std::nullopt);
    nova_->run_for(seconds{5});
    machine_.away = true;
    boot();
    EXPECT_EQ(phase(), Phase::stopped);
}

}  // namespace
}  // namespace nova::lifecycle

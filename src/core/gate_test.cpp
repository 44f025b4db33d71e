#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "core/gate.hpp"

namespace nova {
namespace {

TEST(Gate, AdmitsNobodyOnceClosedAndTellsWhenTheLastHasLeft) {
    Gate gate;
    auto first = gate.try_enter();
    auto second = gate.try_enter();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(gate.inside(), 2U);
    gate.close();
    EXPECT_FALSE(gate.try_enter());
    int empty = 0;
    gate.when_empty([&] { ++empty; });
    first.reset();
    EXPECT_EQ(empty, 0);
    second.reset();
    EXPECT_EQ(empty, 1);
    EXPECT_EQ(gate.inside(), 0U);
    gate.open();
    EXPECT_TRUE(gate.try_enter());
    EXPECT_EQ(empty, 1) << "a watcher is called once";
}

TEST(Gate, WhenEmptyCallsAtOnceWhenNobodyIsInside) {
    Gate gate;
    bool called = false;
    gate.when_empty([&] { called = true; });
    EXPECT_TRUE(called);
}

TEST(Gate, AMovedLeaseLeavesOnce) {
    Gate gate;
    auto lease = gate.try_enter();
    ASSERT_TRUE(lease);
    Gate::Lease moved = std::move(*lease);
    lease.reset();
    EXPECT_EQ(gate.inside(), 1U);
    {
        const Gate::Lease last = std::move(moved);
        EXPECT_EQ(gate.inside(), 1U);
    }
    EXPECT_EQ(gate.inside(), 0U);
}

TEST(Gate, ALeaseMayOutliveItsGate) {
    std::optional<Gate::Lease> lease;
    bool empty = false;
    {
        Gate gate;
        lease = gate.try_enter();
        gate.when_empty([&] { empty = true; });
    }
    lease.reset();
    EXPECT_TRUE(empty);
}

}  // namespace
}  // namespace nova

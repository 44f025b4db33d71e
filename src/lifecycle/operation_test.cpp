// Operations survive the store, and unknown figures stay unknown.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lifecycle/operation.hpp"

namespace nova::lifecycle {
namespace {

Operation example() {
    Operation operation;
    operation.id = {"op-1"};
    operation.slot = {"embed"};
    operation.kind = "switch";
    operation.target = "llamacpp smol";
    operation.actor = "cli";
    operation.state = OperationState::rolled_back;
    operation.created_at = WallTime{Milliseconds{1'750'000'000'123}};
    operation.finished_at = operation.created_at + std::chrono::seconds{4};
    operation.generation = {7};
    operation.version = 3;
    OperationPhase phase;
    phase.id = "weights";
    phase.state = "running";
    phase.started_at = operation.created_at;
    phase.done = 10;
    operation.phases.push_back(phase);
    operation.error = OperationError{"model_broken", "It is cut short.",   "Fetch it.",
                                     "log",          "llamacpp-model-cut", "high"};
    return operation;
}

TEST(Operation, ComesBackFromTheStoreAsItWas) {
    const Json json = to_json(example());
    const auto back = operation_from(json);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_json(*back), json);
    EXPECT_EQ(back->created_at, example().created_at);
    EXPECT_EQ(back->finished_at, example().finished_at);
    EXPECT_EQ(back->error->remedy, "Fetch it.");
    EXPECT_EQ(back->error->failure, "llamacpp-model-cut");
    EXPECT_EQ(back->error->confidence, "high");
}

TEST(Operation, OneOfAnOlderNovaIsTheLocalSlots) {
    Json json = to_json(example());
    EXPECT_EQ(operation_from(json)->slot.value, "embed");
    json.erase("slot");
    EXPECT_EQ(operation_from(json)->slot.value, "local");
}

TEST(Operation, LeavesOutWhatIsNotKnown) {
    const Json phase = to_json(example())["phases"][0];
    EXPECT_FALSE(phase.contains("total"));
    EXPECT_FALSE(phase.contains("eta_s"));
    EXPECT_FALSE(phase.contains("ended_at"));
}

TEST(Operation, HasFiveOutcomesAndKnowsItsWords) {
    int outcomes = 0;
    for (const char* text :
         {"queued", "running", "cancelling", "succeeded", "failed", "cancelled", "superseded",
          "rolled_back"}) {
        const auto state = operation_state_from(text);
        ASSERT_TRUE(state) << text;
        EXPECT_EQ(word(*state), text);
        outcomes += finished(*state) ? 1 : 0;
    }
    EXPECT_EQ(outcomes, 5);
    EXPECT_FALSE(operation_state_from("done"));
    Json broken = to_json(example());
    broken["state"] = "done";
    EXPECT_FALSE(operation_from(broken));
}

}  // namespace
}  // namespace nova::lifecycle

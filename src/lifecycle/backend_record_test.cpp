// What a slot leaves behind is read again, also when part of it cannot be.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lifecycle/backend_record.hpp"

namespace nova::lifecycle {
namespace {

BackendRecord example() {
    BackendRecord record;
    engine::BackendSpec spec;
    spec.engine = {"llamacpp"};
    spec.model = {"/m.gguf"};
    spec.auth_header_value = Secret{"header-secret"};
    const Target target{engine::hash_of(spec), {"host"}, {7}};
    record.state.desired = target;
    record.state.last_good = target;
    record.state.counter = 9;
    record.state.parked = true;
    record.state.wish = OpenWish{{7}, WishKind::switch_over};
    record.specs.emplace(target.spec, spec);
    record.operation = OperationId{"op-1"};
    record.instances.push_back({{9}, {"host"}, Secret{"key"}, runtime::RuntimeKind::docker});
    record.models = {"m"};
    record.last_failure = LastFailure{
        .at = WallTime{std::chrono::seconds{1'700'000'000}},
        .target = "llamacpp /bad.gguf",
        .rolled_back = true,
        .error = {.code = "runtime_failed", .detail = "It ended.", .remedy = {}, .log_excerpt = {}}
    };
    return record;
}

TEST(BackendRecord, ComesBackFromTheStoreAsItWas) {
    const auto back = backend_record_from(to_json(example()));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->state.desired, example().state.desired);
    EXPECT_EQ(back->state.last_good, example().state.last_good);
    EXPECT_FALSE(back->state.before);
    EXPECT_EQ(back->state.counter, 9U);
    EXPECT_TRUE(back->state.parked);
    EXPECT_EQ(back->state.wish->kind, WishKind::switch_over);
    EXPECT_EQ(back->operation, OperationId{"op-1"});
    EXPECT_EQ(back->instances.at(0).api_key.reveal(), "key");
    EXPECT_EQ(back->instances.at(0).runtime, runtime::RuntimeKind::docker);
    EXPECT_EQ(back->specs.begin()->second.auth_header_value.reveal(), "header-secret");
    ASSERT_TRUE(back->last_failure);
    EXPECT_EQ(back->last_failure->at, example().last_failure->at);
    EXPECT_TRUE(back->last_failure->rolled_back);
    EXPECT_EQ(back->last_failure->error.detail, "It ended.");
    EXPECT_EQ(to_json(*back), to_json(example()));
}

TEST(BackendRecord, LeavesOutAWishItCannotReadAndKeepsTheRest) {
    Json json = to_json(example());
    json["desired"]["spec"] = "nonsense";
    json["instances"].push_back("nonsense");
    const auto back = backend_record_from(json);
    ASSERT_TRUE(back);
    EXPECT_FALSE(back->state.desired);
    EXPECT_TRUE(back->state.last_good);
    EXPECT_EQ(back->instances.size(), 1U);
}

TEST(BackendRecord, TakesANoteWithoutARuntimeForAProcess) {
    Json json = to_json(example());
    json["instances"][0].erase("runtime");
    const auto back = backend_record_from(json);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->instances.at(0).runtime, runtime::RuntimeKind::process);
}

TEST(BackendRecord, RefusesWhatANewerNovaWroteAndWhatIsNoRecord) {
    Json json = to_json(example());
    json["version"] = kRecordVersion + 1;
    EXPECT_EQ(backend_record_from(json).error().code, ErrorCode::unsupported);
    EXPECT_EQ(backend_record_from(Json::array()).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace nova::lifecycle

#include <type_traits>

#include <gtest/gtest.h>

#include "gateway/leave_permit.hpp"

namespace nova::gateway {
namespace {

Upstream upstream(Where where) {
    Upstream value;
    value.id = UpstreamId{where == Where::cloud ? "cloud/openai" : "local/1"};
    value.provider = where == Where::cloud ? "openai" : "llamacpp";
    value.where = where;
    return value;
}

bool may(Strategy strategy, const Access* access, Where where) {
    RoutingTable table;
    table.strategy = strategy;
    return leave_permit(table, access, upstream(where)).has_value();
}

TEST(LeavePermit, NobodyElseMakesOne) {
    EXPECT_FALSE((std::is_constructible_v<LeavePermit, UpstreamId>));
    EXPECT_FALSE(std::is_default_constructible_v<LeavePermit>);
}

TEST(LeavePermit, EveryStrategyAndKey) {
    using enum Strategy;
    const Access open;
    const Access stay{.key_id = {}, .key_name = {}, .never_cloud = true};
    const Access here{.key_id = {}, .key_name = {}, .providers = {"local"}};
    const Access there{.key_id = {}, .key_name = {}, .providers = {"openai"}};

    struct Row {
        const Access* access;
        bool cloud;
        bool local;
    };

    for (const Strategy strategy : {local_first, cloud_first, local_only, cloud_only}) {
        for (const Row& row :
             {Row{nullptr, true, true}, Row{&open, true, true}, Row{&stay, false, true},
              Row{&here, false, true}, Row{&there, true, false}}) {
            EXPECT_EQ(may(strategy, row.access, Where::cloud), row.cloud && strategy != local_only);
            EXPECT_EQ(may(strategy, row.access, Where::local), row.local && strategy != cloud_only);
        }
    }
}

TEST(LeavePermit, NamesTheUpstreamItIsFor) {
    EXPECT_EQ(
        leave_permit(RoutingTable{}, nullptr, upstream(Where::cloud))->upstream().value,
        "cloud/openai"
    );
}

}  // namespace
}  // namespace nova::gateway

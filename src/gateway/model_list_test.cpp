#include <gtest/gtest.h>

#include "gateway/model_list.hpp"

namespace nova::gateway {
namespace {

std::shared_ptr<Upstream>
upstream(const std::string& provider, Where where, std::vector<std::string> models) {
    auto value = std::make_shared<Upstream>();
    value->id = UpstreamId{(where == Where::cloud ? "cloud/" : "local/") + provider};
    value->provider = provider;
    value->where = where;
    value->models = std::move(models);
    return value;
}

RoutingTable table() {
    RoutingTable value;
    value.local = upstream("llamacpp", Where::local, {"m", "both"});
    RoutingTable embed;
    embed.local = upstream("ollama", Where::local, {"e"});
    value.embed = std::make_shared<const RoutingTable>(std::move(embed));
    value.clouds = {upstream("a", Where::cloud, {"both", "x"}), upstream("b", Where::cloud, {"x"})};
    value.aliases = {
        {.name = "fast", .provider = "a", .model = "x"},
        {.name = "gone", .provider = "c", .model = "y"},
    };
    return value;
}

std::string text_of(const RoutingTable& table, const Access* access = nullptr) {
    std::string text;
    for (const ListedModel& model : listed_models(table, access)) {
        text += model.id + "@" + model.owner + " ";
    }
    return text;
}

TEST(ModelList, NamesEachOnceInTheOrderOfTheStrategy) {
    RoutingTable value = table();
    EXPECT_EQ(text_of(value), "m@llamacpp both@llamacpp e@ollama x@a fast@nova ");
    value.strategy = Strategy::cloud_first;
    EXPECT_EQ(text_of(value), "both@a x@a m@llamacpp e@ollama fast@nova ");
    value.strategy = Strategy::cloud_only;
    EXPECT_EQ(text_of(value), "both@a x@a fast@nova ");
    value.strategy = Strategy::local_only;
    EXPECT_EQ(text_of(value), "m@llamacpp both@llamacpp e@ollama ");
    EXPECT_EQ(text_of(RoutingTable{}), "");
}

TEST(ModelList, ShowsAKeyOnlyWhatItMayUse) {
    const RoutingTable value = table();
    Access access;
    access.never_cloud = true;
    EXPECT_EQ(text_of(value, &access), "m@llamacpp both@llamacpp e@ollama ");
    EXPECT_EQ(owner_of(value, &access, "x"), "");
    access = {};
    access.models = {"x", "fast"};
    EXPECT_EQ(text_of(value, &access), "x@a fast@nova ");
    access = {};
    access.providers = {"b"};
    EXPECT_EQ(text_of(value, &access), "x@b fast@nova ");
    EXPECT_EQ(owner_of(value, &access, "m"), "");
    EXPECT_EQ(owner_of(value, &access, "x"), "b");
}

TEST(ModelList, FindsTheOwnerOfOneName) {
    RoutingTable value = table();
    EXPECT_EQ(owner_of(value, nullptr, "m"), "llamacpp");
    EXPECT_EQ(owner_of(value, nullptr, "e"), "ollama");
    EXPECT_EQ(owner_of(value, nullptr, "fast"), "a");
    EXPECT_EQ(owner_of(value, nullptr, "b/x"), "b");
    EXPECT_EQ(owner_of(value, nullptr, "nobody"), "");
    value.local.reset();
    value.known_models = {"m"};
    EXPECT_EQ(owner_of(value, nullptr, "m"), "") << "known, but nobody answers";
}

TEST(ProviderList, TellsEachState) {
    RoutingTable value = table();
    const auto states = [](const RoutingTable& of) {
        std::string text;
        for (const ListedProvider& row : listed_providers(of)) {
            text += row.id + ":" + row.state + " ";
        }
        return text;
    };
    EXPECT_EQ(states(value), "llamacpp:ready ollama:ready a:ready b:ready ");
    value.strategy = Strategy::local_only;
    EXPECT_EQ(states(value), "llamacpp:ready ollama:ready a:kept_out b:kept_out ");
    value.strategy = Strategy::cloud_only;
    EXPECT_EQ(states(value), "llamacpp:kept_out ollama:kept_out a:ready b:ready ");
    value = {};
    EXPECT_EQ(states(value), "none:stopped ");
    value.loading = Loading{.phase = "starting"};
    value.wanted_provider = "vllm";
    EXPECT_EQ(states(value), "vllm:loading ");
    value.parked = true;
    EXPECT_EQ(states(value), "vllm:parked ");
    value = {};
    value.error = "broken";
    EXPECT_EQ(states(value), "none:error ");
}

TEST(ProviderList, KnowsWhetherAnybodyIsThereToAsk) {
    RoutingTable value;
    EXPECT_EQ(first_open(value), nullptr);
    value.clouds = {upstream("a", Where::cloud, {})};
    EXPECT_EQ(first_open(value)->provider, "a");
    value.strategy = Strategy::local_only;
    EXPECT_EQ(first_open(value), nullptr);
    value.local = upstream("vllm", Where::local, {});
    EXPECT_EQ(first_open(value)->provider, "vllm");
    value.strategy = Strategy::cloud_only;
    EXPECT_EQ(first_open(value)->provider, "a");
}

}  // namespace
}  // namespace nova::gateway

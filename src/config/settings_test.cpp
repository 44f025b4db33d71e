// The table's own consistency, validation, and the layers of a value.
#include <optional>
#include <set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "config/settings.hpp"
#include "store/memory_store.hpp"

namespace nova::config {
namespace {

template <class T>
T run(Task<T> task) {
    asio::io_context context;
    std::optional<T> result;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr failure, T value) {
        ASSERT_FALSE(failure);
        result.emplace(std::move(value));
    });
    context.run();
    return std::move(*result);
}

TEST(SettingTable, HasUniqueNamesAndValidDefaults) {
    std::set<std::string_view> names;
    std::set<std::string_view> variables;
    for (const SettingRow& row : setting_table()) {
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_TRUE(variables.insert(row.variable).second) << row.variable;
        EXPECT_TRUE(setting_from_text(row, row.built_in)) << row.name;
        EXPECT_TRUE(row.sentence.ends_with('.')) << row.name;
    }
}

TEST(SettingTable, HoldsTheLifecyclesNumbers) {
    const std::pair<std::string_view, std::string_view> rows[] = {
        {"start_limit_s", "120"},    {"drain_s", "15"},
        {"probe_interval_s", "30"},  {"probe_strikes", "3"},
        {"logs.keep_runs", "10"},    {"on_exit", "stop"},
        {"busy_doubt_s", "600"},     {"stall_limit_s", "60"},
        {"probe_limit_s", "5"},      {"idle_unload_s", "0"},
        {"canary_interval_s", "0"},  {"canary_limit_s", "30"},
        {"mode", "hybrid"},          {"gateway.open_loopback", "true"},
        {"switch_strategy", "auto"},
    };
    for (const auto& [name, value] : rows) {
        ASSERT_NE(find_setting(name), nullptr) << name;
        EXPECT_EQ(find_setting(name)->built_in, value) << name;
    }
}

TEST(SettingValidation, SaysNameAndBounds) {
    const SettingRow& drain = *find_setting("drain_s");
    for (const Json& wrong : {Json(-1), Json(3601), Json("15"), Json(1.5), Json(true), Json()}) {
        const auto refused = setting_from_json(drain, wrong);
        ASSERT_FALSE(refused) << wrong.dump();
        EXPECT_EQ(refused.error().code, ErrorCode::unprocessable);
        EXPECT_EQ(refused.error().message, "drain_s must be a whole number from 0 to 3600.");
    }
    EXPECT_EQ(std::get<std::int64_t>(*setting_from_json(drain, Json(20))), 20);
    const SettingRow& mode = *find_setting("mode");
    EXPECT_FALSE(setting_from_json(mode, Json("local")));
    EXPECT_FALSE(setting_from_text(mode, "hybrid|local-only"));
    EXPECT_TRUE(setting_from_text(mode, "local-only"));
    EXPECT_FALSE(setting_from_text(*find_setting("gateway.open_loopback"), "yes"));
}

TEST(Settings, StoreWinsOverSeedWinsOverDefault) {
    store::MemoryStore store;
    std::map<std::string, Layered<std::string>> seeds{
        {"drain_s", {.value = "5", .layer = Layer::environment, .where = "NOVA_DRAIN_S"}}
    };
    Settings settings{store, seeds};
    EXPECT_EQ(settings.integer("drain_s"), 5);
    EXPECT_EQ(settings.integer("probe_strikes"), 3);
    ASSERT_TRUE(run(settings.change({{"drain_s", SettingValue{std::int64_t{9}}}})));
    EXPECT_EQ(settings.integer("drain_s"), 9);

    Settings again{store, seeds};
    const auto passed_over = run(again.load());
    ASSERT_TRUE(passed_over);
    EXPECT_TRUE(passed_over->empty());
    const auto explained = again.explain("drain_s");
    ASSERT_TRUE(explained);
    EXPECT_EQ(text_of(explained->value.value), "9");
    EXPECT_EQ(explained->value.layer, Layer::store);
    ASSERT_EQ(explained->hidden.size(), 2U);
    EXPECT_EQ(text_of(explained->hidden[0].value), "15");
    EXPECT_EQ(explained->hidden[1].where, "NOVA_DRAIN_S");

    ASSERT_TRUE(run(again.change({{"drain_s"}})));
    EXPECT_EQ(again.integer("drain_s"), 5);
}

TEST(Settings, RefusesWithoutWriting) {
    store::MemoryStore store;
    Settings settings{store, {}};
    EXPECT_EQ(
        run(settings.change({{"nope", SettingValue{true}}})).error().code, ErrorCode::not_found
    );
    EXPECT_FALSE(run(settings.change({{"drain_s", SettingValue{std::int64_t{-1}}}})));
    EXPECT_EQ(settings.integer("drain_s"), 15);
    EXPECT_TRUE(run(store.list("setting/"))->empty());
}

TEST(Settings, ChangesAllOrNone) {
    store::MemoryStore store;
    Settings settings{store, {}};
    ASSERT_TRUE(run(settings.change({{"drain_s", SettingValue{std::int64_t{9}}}})));
    EXPECT_FALSE(run(settings.change(
        {{"drain_s"},
         {"probe_strikes", SettingValue{std::int64_t{5}}},
         {"mode", SettingValue{std::string{"nonsense"}}}}
    )));
    EXPECT_EQ(settings.integer("drain_s"), 9);
    EXPECT_EQ(settings.integer("probe_strikes"), 3);
    EXPECT_EQ(run(store.list("setting/"))->size(), 1U);
}

// A bad one would keep nova from starting, and nothing could be changed any more.
TEST(Settings, TheHubIsAnAddress) {
    const SettingRow& hub = *find_setting("hub.url");
    for (const char* good :
         {"https://huggingface.co", "https://a.b:8443/hf/", "http://127.0.0.1:9/hf",
          "http://[::1]:9", "https://[::1]"}) {
        EXPECT_TRUE(setting_from_text(hub, good)) << good;
    }
    for (const char* bad :
         {"", "huggingface.co", "https://", "https:///x", "http://mirror.example",
          "http://localhost.corp", "https://me@mirror/x", "https://a:99999",
          "https://a:", "https://a?b", "https://a/b c", "https://[::1", "ftp://a"}) {
        EXPECT_FALSE(setting_from_text(hub, bad)) << bad;
    }
}

TEST(Settings, PassesOverABadStoredValueAndNamesIt) {
    store::MemoryStore store;
    std::vector<store::Write> writes;
    writes.emplace_back(store::PutDocument{.key = {"setting/drain_s"}, .json = "\"soon\""});
    writes.emplace_back(store::PutDocument{.key = {"setting/gone"}, .json = "1"});
    writes.emplace_back(store::PutDocument{.key = {"setting/probe_strikes"}, .json = "5"});
    ASSERT_TRUE(run(store.commit(std::move(writes))));
    Settings settings{store, {}};
    const auto passed_over = run(settings.load());
    ASSERT_TRUE(passed_over);
    EXPECT_EQ(*passed_over, (std::vector<std::string>{"drain_s", "gone"}));
    EXPECT_EQ(settings.integer("drain_s"), 15);
    EXPECT_EQ(settings.integer("probe_strikes"), 5);
}

TEST(RoutingStrategy, FollowsTheMode) {
    EXPECT_EQ(routing_strategy_of("hybrid"), "local-first");
    EXPECT_EQ(routing_strategy_of("local-only"), "local-only");
    EXPECT_EQ(routing_strategy_of("cloud-only"), "cloud-only");
}

TEST(Settings, TheStrategyFollowsFromTheModeAndInHybridFromTheSetting) {
    EXPECT_EQ(routing_strategy_of("hybrid"), "local-first");
    EXPECT_EQ(routing_strategy_of("hybrid", "cloud-first"), "cloud-first");
    EXPECT_EQ(routing_strategy_of("local-only", "cloud-first"), "local-only");
    EXPECT_EQ(routing_strategy_of("cloud-only", "local-first"), "cloud-only");
}

TEST(Settings, AliasesAreReadAndNonsenseIsNamed) {
    using Aliases = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(
        *aliases_from(" fast = groq/llama-3.1:free , mine=qwen2.5:7b,"),
        (Aliases{{"fast", "groq/llama-3.1:free"}, {"mine", "qwen2.5:7b"}})
    );
    EXPECT_TRUE(aliases_from("")->empty());
    for (const char* bad : {"fast", "=x", "fast=", "a=b, a=c", "a=a"}) {
        EXPECT_FALSE(aliases_from(bad)) << bad;
        EXPECT_FALSE(setting_from_text(*find_setting("routing_aliases"), bad)) << bad;
    }
}

}  // namespace
}  // namespace nova::config

// The chain with clouds: every strategy, every state of this machine, every set of clouds, by key.
#include <array>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gateway/gatekeeper.hpp"
#include "gateway/router.hpp"

namespace nova::gateway {
namespace {

using enum Strategy;

std::shared_ptr<Upstream> local(std::vector<std::string> models, bool known = true) {
    auto value = std::make_shared<Upstream>();
    value->id = UpstreamId{"local/1"};
    value->provider = "llamacpp";
    value->models_known = known;
    value->default_model = models.empty() ? "" : models.front();
    value->models = std::move(models);
    return value;
}

std::shared_ptr<Upstream> cloud(const std::string& name, std::vector<std::string> models = {}) {
    auto value = std::make_shared<Upstream>();
    value->id = UpstreamId{"cloud/" + name};
    value->provider = name;
    value->where = Where::cloud;
    value->models = std::move(models);
    value->default_model = name + "-default";
    return value;
}

// "llamacpp a=a-default +loading", "!model_not_found".
std::string text_of(const RoutePlan& plan) {
    EXPECT_EQ(plan.attempts.empty(), plan.refusal.has_value());
    EXPECT_FALSE(plan.reason.empty());
    std::string text = plan.refusal ? "!" + std::string{plan.refusal->name()} : "";
    for (const RouteStep& step : plan.attempts) {
        EXPECT_FALSE(step.why.empty());
        text += (text.empty() ? "" : " ") + step.upstream->provider;
        text += step.model.empty() ? "" : "=" + step.model;
    }
    return plan.loading && !plan.refusal ? text + " +loading" : text;
}

enum class Here : std::uint8_t { serves, loading, unknown };
enum class Clouds : std::uint8_t { none, one, two, lists };

constexpr std::array kHere{Here::serves, Here::loading, Here::unknown};

RoutingTable table_of(Strategy strategy, Here here, Clouds clouds) {
    RoutingTable table;
    table.strategy = strategy;
    table.wanted_provider = "llamacpp";
    switch (here) {
    case Here::serves:
        table.local = local({"m"});
        break;
    case Here::loading:
        table.known_models = {"m"};
        table.loading = Loading{.phase = "starting"};
        break;
    case Here::unknown:
        table.local = local({"other"});
        break;
    }
    if (clouds != Clouds::none) {
        table.clouds.push_back(cloud("a"));
    }
    if (clouds == Clouds::two) {
        table.clouds.push_back(cloud("b"));
    }
    if (clouds == Clouds::lists) {
        table.clouds.push_back(cloud("b", {"m", "n"}));
    }
    return table;
}

struct Row {
    Strategy strategy;
    Here here;
    std::array<const char*, 4> open;         // by Clouds: none, one, two, one of two lists it
    std::array<const char*, 4> never_cloud;  // with such a key
};

// clang-format off
const std::array<Row, 12> kRows{{
    {local_first, Here::serves,
     {"llamacpp", "llamacpp a=a-default", "llamacpp a=a-default b=b-default",
      "llamacpp b a=a-default"},
     {"llamacpp", "llamacpp", "llamacpp", "llamacpp"}},
    {local_first, Here::loading,
     {"!model_loading", "a=a-default +loading", "a=a-default b=b-default +loading",
      "b a=a-default +loading"},
     {"!model_loading", "!model_loading", "!model_loading", "!model_loading"}},
    {local_first, Here::unknown,
     {"!model_not_found", "!model_not_found", "!model_not_found",
      "b llamacpp=other a=a-default"},
     {"!model_not_found", "!model_not_found", "!model_not_found", "!provider_not_allowed"}},
    {cloud_first, Here::serves,
     {"llamacpp", "llamacpp a=a-default", "llamacpp a=a-default b=b-default",
      "b llamacpp a=a-default"},
     {"llamacpp", "llamacpp", "llamacpp", "llamacpp"}},
    {cloud_first, Here::loading,
     {"!model_loading", "a=a-default +loading", "a=a-default b=b-default +loading",
      "b a=a-default"},
     {"!model_loading", "!model_loading", "!model_loading", "!model_loading"}},
    {cloud_first, Here::unknown,
     {"!model_not_found", "!model_not_found", "!model_not_found",
      "b a=a-default llamacpp=other"},
     {"!model_not_found", "!model_not_found", "!model_not_found", "!provider_not_allowed"}},
    {local_only, Here::serves,
     {"llamacpp", "llamacpp", "llamacpp", "llamacpp"},
     {"llamacpp", "llamacpp", "llamacpp", "llamacpp"}},
    {local_only, Here::loading,
     {"!model_loading", "!model_loading", "!model_loading", "!model_loading"},
     {"!model_loading", "!model_loading", "!model_loading", "!model_loading"}},
    {local_only, Here::unknown,
     {"!model_not_found", "!model_not_found", "!model_not_found", "!model_not_found"},
     {"!model_not_found", "!model_not_found", "!model_not_found", "!model_not_found"}},
    {cloud_only, Here::serves,
     {"!model_not_ready", "a=a-default", "a=a-default b=b-default", "b a=a-default"},
     {"!model_not_ready", "!model_not_ready", "!model_not_ready", "!provider_not_allowed"}},
    {cloud_only, Here::loading,
     {"!model_not_ready", "a=a-default", "a=a-default b=b-default", "b a=a-default"},
     {"!model_not_ready", "!model_not_ready", "!model_not_ready", "!provider_not_allowed"}},
    {cloud_only, Here::unknown,
     {"!model_not_found", "!model_not_found", "!model_not_found", "b a=a-default"},
     {"!model_not_found", "!model_not_found", "!model_not_found", "!provider_not_allowed"}},
}};
// clang-format on

TEST(RouterClouds, EveryStrategyStateAndSetOfClouds) {
    const Access open;
    const Access stay{.key_id = {}, .key_name = {}, .never_cloud = true};
    const Access other_model{.key_id = {}, .key_name = {}, .models = {"n"}};
    for (const Row& row : kRows) {
        for (std::size_t i = 0; i < 4; ++i) {
            const auto table = table_of(row.strategy, row.here, static_cast<Clouds>(i));
            const auto text = [&table](const Access* access) {
                return text_of(plan_route(table, RouteRequest{.model = "m", .access = access}));
            };
            const std::string where = fmt::format(
                "strategy {}, here {}, clouds {}", static_cast<int>(row.strategy),
                static_cast<int>(row.here), i
            );
            EXPECT_EQ(text(nullptr), row.open[i]) << where;
            EXPECT_EQ(text(&open), row.open[i]) << where;
            EXPECT_EQ(text(&stay), row.never_cloud[i]) << where;
            EXPECT_EQ(text(&other_model), "!model_not_found") << where;
        }
    }
}

// What no table may ever lead to, whatever else it holds.
TEST(RouterClouds, LocalOnlyAndNeverCloudNeverNameACloud) {
    const Access stay{.key_id = {}, .key_name = {}, .never_cloud = true};
    for (const Here here : kHere) {
        for (const Strategy strategy : {local_first, cloud_first, local_only, cloud_only}) {
            RoutingTable table = table_of(strategy, here, Clouds::lists);
            table.aliases = {{.name = "fast", .provider = "a", .model = "x"}};
            for (const std::string_view model : {"m", "fast", "a/m", "b/n", "a-default", "?"}) {
                for (const Use use : {Use::generation, Use::embedding}) {
                    const RouteRequest open{.model = model, .use = use};
                    const RouteRequest kept{.model = model, .use = use, .access = &stay};
                    const auto plan = plan_route(table, strategy == local_only ? open : kept);
                    for (const RouteStep& step : plan.attempts) {
                        EXPECT_EQ(step.upstream->where, Where::local) << model;
                    }
                }
            }
        }
    }
}

TEST(RouterClouds, AKeyForSomeProvidersUsesThose) {
    const Access only_b{.key_id = {}, .key_name = {}, .providers = {"b"}};
    const Access only_local{.key_id = {}, .key_name = {}, .providers = {"local"}};
    const auto ask = [](const RoutingTable& table, const Access& access) {
        return text_of(plan_route(table, RouteRequest{.model = "m", .access = &access}));
    };
    const auto table = table_of(local_first, Here::serves, Clouds::lists);
    EXPECT_EQ(ask(table, only_b), "b");
    EXPECT_EQ(ask(table, only_local), "llamacpp");
    EXPECT_EQ(
        ask(table_of(local_first, Here::serves, Clouds::one), only_b), "!provider_not_allowed"
    );
    const auto plan = plan_route(
        table_of(local_first, Here::unknown, Clouds::none),
        RouteRequest{.model = "x", .access = &only_local}
    );
    EXPECT_NE(plan.refusal->message.find("other"), std::string::npos);
}

TEST(RouterClouds, ARefusalDoesNotNameModelsTheKeyMayNotUse) {
    const Access some{.key_id = {}, .key_name = {}, .models = {"x*"}};
    const auto plan = plan_route(
        table_of(local_first, Here::unknown, Clouds::none),
        RouteRequest{.model = "x", .access = &some}
    );
    EXPECT_EQ(plan.refusal->message.find("other"), std::string::npos) << plan.refusal->message;
}

TEST(RouterClouds, NamesWithSlashesAndColons) {
    RoutingTable table;
    table.local = local({"openai/gpt-oss-20b", "hf.co/org/x:Q4_K_M"});
    auto router = cloud("openrouter", {"openai/gpt-4o", "meta/llama:free"});
    table.clouds = {cloud("openai", {"gpt-4o", "gpt-oss-20b"}), router};
    const auto first = [&table](std::string_view model) {
        const auto plan = plan_route(table, RouteRequest{.model = model});
        if (plan.refusal) {
            return "!" + std::string{plan.refusal->name()};
        }
        const RouteStep& step = plan.attempts.front();
        return step.upstream->provider + (step.model.empty() ? "" : "=" + step.model);
    };
    EXPECT_EQ(first("openai/gpt-oss-20b"), "llamacpp") << "a local id is no prefix";
    EXPECT_EQ(first("hf.co/org/x:Q4_K_M"), "llamacpp");
    EXPECT_EQ(first("gpt-4o"), "openai");
    EXPECT_EQ(first("openai/gpt-4o"), "openai=gpt-4o");
    EXPECT_EQ(first("openrouter/openai/gpt-4o"), "openrouter=openai/gpt-4o");
    EXPECT_EQ(first("meta/llama:free"), "openrouter");
    EXPECT_EQ(first("groq/llama"), "!model_not_found") << "groq is not configured";
    EXPECT_EQ(first("openai/"), "!model_not_found");
    EXPECT_EQ(first("openai/o9-new"), "openai=o9-new") << "newer than its list";
    table.clouds = {cloud("openai", {"gpt-4o"}), cloud("groq", {"openai/gpt-oss-120b"})};
    EXPECT_EQ(first("openai/gpt-oss-120b"), "groq") << "who lists the whole name";
}

TEST(RouterClouds, AliasesOfAllAndOfOneProvider) {
    RoutingTable table;
    table.local = local({"small"});
    auto b = cloud("b", {"big-2024"});
    b->aliases = {{"big", "big-2024"}};
    table.clouds = {cloud("a", {"fast-1"}), b};
    table.aliases = {
        {.name = "fast", .provider = "a", .model = "fast-1"},
        {.name = "mine", .provider = "local", .model = "small"},
        {.name = "any", .provider = "", .model = "big"},
        {.name = "small-chat", .provider = "", .model = "small"},
    };
    const auto ask = [&table](std::string_view model) {
        return text_of(plan_route(table, RouteRequest{.model = model}));
    };
    EXPECT_EQ(ask("fast"), "a=fast-1 llamacpp=small b=b-default");
    EXPECT_EQ(ask("mine"), "llamacpp=small a=a-default b=b-default");
    EXPECT_EQ(ask("small-chat"), "llamacpp=small a=a-default b=b-default");
    EXPECT_EQ(ask("big"), "b=big-2024 llamacpp=small a=a-default");
    EXPECT_EQ(ask("any"), "b=big-2024 llamacpp=small a=a-default");
    const Access by_alias{.key_id = {}, .key_name = {}, .models = {"fast"}};
    const Access by_target{.key_id = {}, .key_name = {}, .models = {"fast-1"}};
    for (const Access* access : {&by_alias, &by_target}) {
        const auto plan = plan_route(table, RouteRequest{.model = "fast", .access = access});
        EXPECT_FALSE(plan.refusal) << "the alias or what it stands for";
    }
}

TEST(RouterClouds, AnAliasOfWhatIsNotThereYetLeavesTheNameItsMeaning) {
    RoutingTable table;
    table.aliases = {
        {.name = "old", .provider = "local", .model = "new"},
        {.name = "new", .provider = "", .model = "old"},
        {.name = "away", .provider = "c", .model = "x"},
    };
    const auto ask = [&table](std::string_view model) {
        return text_of(plan_route(table, RouteRequest{.model = model}));
    };
    table.local = local({"old"});
    table.known_models = {"old", "new"};
    table.loading = Loading{.phase = "ready"};
    EXPECT_EQ(ask("old"), "llamacpp");
    EXPECT_EQ(ask("new"), "llamacpp=old");
    table.local = local({"new"});
    table.known_models = {"new"};
    table.loading.reset();
    EXPECT_EQ(ask("old"), "llamacpp=new");
    EXPECT_EQ(ask("new"), "llamacpp");
    table.local.reset();
    table.loading = Loading{.phase = "starting"};
    EXPECT_EQ(ask("old"), "!model_loading") << "nobody has either";
    table.local = local({"away"});
    table.clouds = {cloud("c")};
    EXPECT_EQ(ask("away"), "c=x llamacpp") << "an alias leads elsewhere";
}

TEST(RouterClouds, EmbeddingsGoOnlyWhereTheirModelIs) {
    RoutingTable table;
    table.local = local({"chat"});
    auto makes = cloud("makes", {"embed-3"});
    auto none = cloud("none", {"embed-3"});
    none->embeds = false;
    table.clouds = {none, makes};
    const auto ask = [&table](std::string_view model) {
        return text_of(plan_route(table, RouteRequest{.model = model, .use = Use::embedding}));
    };
    EXPECT_EQ(ask("embed-3"), "makes");
    EXPECT_EQ(ask("chat"), "llamacpp") << "no default of another: its vectors are others";
    auto mute = std::make_shared<Upstream>(*table.local);
    mute->embeds = false;
    table.local = mute;
    EXPECT_EQ(ask("chat"), "!model_not_supported");
    table.clouds.push_back(cloud("has", {"chat"}));
    EXPECT_EQ(ask("chat"), "has");
}

TEST(RouterClouds, AParkedBackendIsWokenWhileACloudAnswers) {
    RoutingTable table = table_of(local_first, Here::loading, Clouds::one);
    table.loading.reset();
    table.parked = true;
    auto plan = plan_route(table, RouteRequest{.model = "m"});
    EXPECT_EQ(text_of(plan), "a=a-default +loading");
    EXPECT_EQ(plan.wake, table.slot);
    EXPECT_NE(plan.reason.find("not ready"), std::string::npos);
    table.strategy = cloud_only;
    plan = plan_route(table, RouteRequest{.model = "m"});
    EXPECT_FALSE(plan.wake);
}

TEST(RouterClouds, LocalOnlySaysThatACloudWouldHaveIt) {
    const auto table = table_of(local_only, Here::unknown, Clouds::lists);
    const auto plan = plan_route(table, RouteRequest{.model = "n"});
    EXPECT_NE(plan.refusal->message.find("local-only"), std::string::npos);
    EXPECT_EQ(policy(plan.refusal->code).http_status, 404);
}

}  // namespace
}  // namespace nova::gateway

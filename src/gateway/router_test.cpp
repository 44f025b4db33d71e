#include <gtest/gtest.h>

#include "gateway/router.hpp"

namespace nova::gateway {
namespace {

std::shared_ptr<const Upstream> upstream(std::string provider, std::vector<std::string> models) {
    auto value = std::make_shared<Upstream>();
    value->id = UpstreamId{"local/1"};
    value->provider = std::move(provider);
    value->models = std::move(models);
    return value;
}

struct Row {
    const char* name;
    std::string provider;
    std::vector<std::string> served;
    bool models_known;
    bool open;
    std::vector<std::string> known;
    bool loading;
    std::string asked;
    int attempts;
    std::string word;  // of the refusal
};

std::vector<Row> rows() {
    return {
        {"served", "llamacpp", {"m"}, true, true, {"m"}, false, "m", 1, ""},
        {"served id with slashes", "vllm", {"org/x:Q4"}, true, true, {}, false, "org/x:Q4", 1, ""},
        {"unknown", "llamacpp", {"m"}, true, true, {"m"}, false, "gpt-4", 0, "model_not_found"},
        {"a prefix is not the name",
         "llamacpp",
         {"m-7b"},
         true,
         true,
         {},
         false,
         "m",
         0,
         "model_not_found"},
        {"list unknown passes everything", "custom", {}, false, true, {}, false, "any", 1, ""},
        {"ollama without tag", "ollama", {"m:latest"}, true, true, {}, false, "m", 1, ""},
        {"ollama other tag", "ollama", {"m:7b"}, true, true, {}, false, "m", 0, "model_not_found"},
        {"latest is Ollama's rule alone",
         "vllm",
         {"m:latest"},
         true,
         true,
         {},
         false,
         "m",
         0,
         "model_not_found"},
        {"loading", "llamacpp", {}, true, false, {"m"}, true, "m", 0, "model_loading"},
        {"closed after an error",
         "llamacpp",
         {},
         true,
         false,
         {"m"},
         false,
         "m",
         0,
         "model_not_ready"},
        {"unknown while loading",
         "llamacpp",
         {},
         true,
         false,
         {"m"},
         true,
         "x",
         0,
         "model_not_found"},
        {"nothing at all", "none", {}, true, false, {}, false, "m", 0, "model_not_found"},
    };
}

TEST(Router, SendsARequestWhereItsModelIsServedAndSaysWhyElse) {
    for (const Row& row : rows()) {
        RoutingTable table;
        table.wanted_provider = row.provider;
        table.known_models = row.known;
        if (row.open) {
            auto value = std::make_shared<Upstream>(*upstream(row.provider, row.served));
            value->models_known = row.models_known;
            table.local = value;
        }
        if (row.loading) {
            table.loading = Loading{.phase = "starting", .progress = 0.5, .eta_s = 7.0};
        }
        const RoutePlan plan = plan_route(table, row.asked);
        EXPECT_EQ(plan.attempts.size(), static_cast<std::size_t>(row.attempts)) << row.name;
        EXPECT_EQ(plan.refusal.has_value(), row.attempts == 0) << row.name;
        EXPECT_FALSE(plan.reason.empty()) << row.name;
        if (plan.refusal) {
            EXPECT_EQ(plan.refusal->name(), row.word) << row.name;
            EXPECT_FALSE(plan.refusal->message.empty()) << row.name;
        }
        EXPECT_EQ(plan.loading.has_value(), row.loading && row.word == "model_loading") << row.name;
    }
}

TEST(Router, RetryAfterIsTheObservedEtaWhenThereIsOne) {
    RoutingTable table;
    table.known_models = {"m"};
    table.loading = Loading{.phase = "starting", .progress = {}, .eta_s = 41.7};
    EXPECT_EQ(plan_route(table, "m").refusal->retry_after, std::chrono::seconds{41});
    table.loading->eta_s.reset();
    EXPECT_EQ(plan_route(table, "m").refusal->retry_after, std::chrono::seconds{2});
    table.loading->eta_s = 0.01;
    EXPECT_EQ(plan_route(table, "m").refusal->retry_after, std::chrono::seconds{1});
}

TEST(Router, AnErrorOfTheBackendIsToldToTheClient) {
    RoutingTable table;
    table.known_models = {"m"};
    table.error = "llama-server could not read the model file.";
    const RoutePlan plan = plan_route(table, "m");
    EXPECT_NE(plan.refusal->message.find("could not read the model file"), std::string::npos);
    EXPECT_EQ(policy(plan.refusal->code).http_status, 503);
}

}  // namespace
}  // namespace nova::gateway

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

// ---- with the embed slot beside the local one

std::shared_ptr<const Upstream>
on_slot(const std::string& slot, std::vector<std::string> models, bool known = true) {
    auto value = std::make_shared<Upstream>();
    value->id = UpstreamId{slot + "/1"};
    value->provider = slot == "embed" ? "llamacpp" : "vllm";
    value->models = std::move(models);
    value->models_known = known;
    return value;
}

struct SlotRow {
    const char* name;
    std::shared_ptr<const Upstream> local;
    bool local_embeds;
    std::shared_ptr<const Upstream> embed;
    Use use;
    std::string asked;
    std::string where;  // upstream id, or the word of the refusal
    std::string ask_for{};
};

// "c" is the local slot's model and "e" the embed slot's, open or not.
std::vector<SlotRow> slot_rows() {
    using enum Use;
    const auto local = on_slot("local", {"c"});
    const auto both = on_slot("local", {"c", "e"});
    const auto any = on_slot("local", {}, false);
    const auto embed = on_slot("embed", {"e"});
    const auto any_embed = on_slot("embed", {}, false);
    return {
        {"its own model", local, true, embed, embedding, "e", "embed/1"},
        {"its own model, local closed", nullptr, true, embed, embedding, "e", "embed/1"},
        {"its own model, local passes every name", any, true, embed, embedding, "e", "embed/1"},
        {"both have it", both, true, embed, embedding, "e", "embed/1"},
        {"local's that embeds", local, true, embed, embedding, "c", "local/1"},
        {"local's that cannot", local, false, embed, embedding, "c", "embed/1", "e"},
        {"local's that cannot, local closed", nullptr, false, embed, embedding, "c", "embed/1", "e"
        },
        {"local's that embeds, local closed", nullptr, true, embed, embedding, "c", "model_loading"
        },
        {"local's that cannot, nobody lists", local, false, any_embed, embedding, "c", "embed/1"},
        {"local's that cannot, embed closed", local, false, nullptr, embedding, "c", "model_loading"
        },
        {"its own, closed", local, true, nullptr, embedding, "e", "model_loading"},
        {"its own, closed, local passes every name", any, true, nullptr, embedding, "e",
         "model_loading"},
        {"nobody's", local, true, embed, embedding, "x", "model_not_found"},
        {"nobody's, embed passes every name", local, true, any_embed, embedding, "x", "embed/1"},
        {"nobody's, local passes every name", any, true, embed, embedding, "x", "local/1"},
        {"chat", local, false, embed, generation, "c", "local/1"},
        {"chat with the embedding model", local, true, embed, generation, "e", "model_not_supported"
        },
        {"chat with the embedding model that loads", local, true, nullptr, generation, "e",
         "model_not_supported"},
        {"chat with a model both have", both, true, embed, generation, "e", "local/1"},
        {"chat with nobody's", local, true, embed, generation, "x", "model_not_found"},
        {"chat while local is closed", nullptr, true, embed, generation, "c", "model_loading"},
    };
}

RoutingTable with_slots(const SlotRow& row) {
    RoutingTable slot;
    slot.wanted_provider = "llamacpp";
    slot.local = row.embed;
    slot.known_models = {"e"};
    RoutingTable table;
    table.wanted_provider = "vllm";
    table.local = row.local;
    table.known_models = {"c"};
    table.local_embeds = row.local_embeds;
    for (RoutingTable* closed : {&slot, &table}) {
        if (!closed->local) {
            closed->loading = Loading{.phase = "starting"};
        }
    }
    table.embed = std::make_shared<const RoutingTable>(std::move(slot));
    return table;
}

TEST(Router, SendsEmbeddingsToTheSlotThatMakesThem) {
    for (const SlotRow& row : slot_rows()) {
        const RoutePlan plan = plan_route(with_slots(row), row.asked, row.use);
        ASSERT_EQ(plan.attempts.empty(), plan.refusal.has_value()) << row.name;
        const std::string where =
            plan.refusal ? std::string{plan.refusal->name()} : plan.attempts[0].upstream->id.value;
        EXPECT_EQ(where, row.where) << row.name;
        EXPECT_EQ(plan.attempts.empty() ? "" : plan.attempts[0].model, row.ask_for) << row.name;
        EXPECT_FALSE(plan.reason.empty()) << row.name;
    }
}

TEST(Router, WithoutAnEmbedSlotEverythingGoesWhereItWent) {
    for (const SlotRow& row : slot_rows()) {
        RoutingTable table = with_slots(row);
        table.embed = nullptr;
        const RoutePlan before = plan_route(table, row.asked);
        const RoutePlan now = plan_route(table, row.asked, row.use);
        ASSERT_EQ(now.attempts.size(), before.attempts.size()) << row.name;
        for (std::size_t i = 0; i < now.attempts.size(); ++i) {
            EXPECT_EQ(now.attempts[i].upstream, before.attempts[i].upstream) << row.name;
        }
        EXPECT_EQ(now.refusal.has_value(), before.refusal.has_value()) << row.name;
    }
}

TEST(Router, SaysThatAnEmbeddingModelDoesNotChat) {
    const RoutingTable table = with_slots(
        {"", on_slot("local", {"c"}), true, on_slot("embed", {"e"}), Use::generation, "e", ""}
    );
    const RoutePlan plan = plan_route(table, "e", Use::generation);
    EXPECT_EQ(policy(plan.refusal->code).http_status, 400);
    EXPECT_NE(plan.refusal->message.find("embedding model"), std::string::npos);
    const RoutePlan unknown = plan_route(table, "x", Use::embedding);
    EXPECT_NE(unknown.refusal->message.find("For embeddings: e."), std::string::npos)
        << unknown.refusal->message;
}

}  // namespace
}  // namespace nova::gateway

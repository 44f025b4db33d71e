#include <set>

#include <gtest/gtest.h>

#include "gateway/provider_catalog.hpp"
#include "net/http_client.hpp"

namespace nova::gateway {
namespace {

TEST(ProviderCatalog, KnowsEveryCloudOfTheContract) {
    const auto& catalog = ProviderCatalog::embedded();
    for (const char* id :
         {"openai", "anthropic", "gemini", "groq", "openrouter", "mistral", "deepseek", "cerebras",
          "together", "xai", "github", "azure"}) {
        const ProviderRow* row = catalog.find(id);
        ASSERT_NE(row, nullptr) << id;
        EXPECT_FALSE(row->key_variable.empty()) << id;
        EXPECT_FALSE(row->title.empty()) << id;
    }
    EXPECT_NE(catalog.find(kOpenAiCompatible), nullptr);
    EXPECT_EQ(catalog.find("nobody"), nullptr);
}

TEST(ProviderCatalog, EveryAddressIsOneAndEveryVariableStandsForOneProvider) {
    std::set<std::string> variables;
    for (const ProviderRow& row : ProviderCatalog::embedded().rows()) {
        if (!row.base_url.empty()) {
            const auto url = net::parse_url(row.base_url);
            ASSERT_TRUE(url) << row.id;
            EXPECT_TRUE(url->endpoint.tls) << row.id;
        }
        if (!row.key_variable.empty()) {
            EXPECT_TRUE(variables.insert(row.key_variable).second) << row.key_variable;
        }
        EXPECT_TRUE(row.models_path.starts_with('/')) << row.id;
    }
}

TEST(ProviderCatalog, SendsTheKeyAsTheProviderWantsIt) {
    const auto& catalog = ProviderCatalog::embedded();
    EXPECT_EQ(catalog.find("openai")->auth_value("k"), "Bearer k");
    const ProviderRow& anthropic = *catalog.find("anthropic");
    EXPECT_EQ(anthropic.auth_header, "x-api-key");
    EXPECT_EQ(anthropic.auth_value("k"), "k");
    EXPECT_EQ(anthropic.speaks, dialect::Dialect::anthropic);
    EXPECT_EQ(anthropic.headers.front().first, "anthropic-version");
    EXPECT_EQ(catalog.find("azure")->auth_header, "api-key");
}

TEST(ProviderCatalog, QuirksBecomeOptions) {
    const auto& catalog = ProviderCatalog::embedded();
    EXPECT_TRUE(catalog.find("openai")->options.max_completion_tokens);
    EXPECT_FALSE(catalog.find("mistral")->options.max_completion_tokens);
    EXPECT_FALSE(catalog.find("mistral")->options.include_usage);
    EXPECT_TRUE(catalog.find("deepseek")->options.send_reasoning);
    EXPECT_EQ(catalog.find("groq")->options.unsupported.front(), "logprobs");
}

TEST(ProviderCatalog, AMistakeIsNamedWithItsPlace) {
    const auto message = [](std::string_view text) {
        const auto read = ProviderCatalog::read(text);
        return read ? std::string{} : read.error().message;
    };
    EXPECT_EQ(message("{}"), "providers.json must hold the array providers.");
    EXPECT_EQ(message(R"({"providers": [{"id": "x"}]})"), "providers[0].title is required.");
    EXPECT_EQ(
        message(R"({"providers": [{"id": "x", "title": "X", "base_url": "", "colour": 1}]})"),
        "providers[0].colour is not known."
    );
    EXPECT_EQ(
        message(R"({"providers": [{"id": "x", "title": "X", "base_url": "", "dialect": "c"}]})"),
        "providers[0].dialect must be openai, anthropic or ollama."
    );
    EXPECT_EQ(
        message(R"({"providers": [{"id": "x", "title": "X", "base_url": "",
                   "quirks": {"slow": true}}]})"),
        "providers[0].quirks.slow is not known."
    );
    const std::string row = R"({"id": "x", "title": "X", "base_url": ""})";
    EXPECT_EQ(
        message("{\"providers\": [" + row + "," + row + "]}"), "providers[1].id is there twice."
    );
}

TEST(ModelIds, OfEveryShapeOfList) {
    using Ids = std::vector<std::string>;
    EXPECT_EQ(
        *model_ids_from(R"({"data": [{"id": "a"}, {"id": "b/c:free"}]})", ""),
        (Ids{"a", "b/c:free"})
    );
    EXPECT_EQ(*model_ids_from(R"([{"id": "a"}, {"name": "b"}, "c"])", ""), (Ids{"a", "b", "c"}));
    EXPECT_EQ(*model_ids_from(R"({"models": [{"name": "models/g"}]})", "models/"), (Ids{"g"}));
    EXPECT_EQ(*model_ids_from(R"({"data": []})", ""), Ids{});
}

TEST(ModelIds, WhatNoHeaderCanCarryIsLeftOut) {
    const std::string bad =
        R"({"data": [{"id": "a\r\nb"}, {"id": ""}, {"id": 1}, {}, null, {"id": "a"}, {"id": "a"},
                     {"id": ")" +
        std::string(300, 'x') + R"("}]})";
    EXPECT_EQ(*model_ids_from(bad, ""), std::vector<std::string>{"a"});
    EXPECT_FALSE(model_ids_from("<html>", ""));
    EXPECT_FALSE(model_ids_from("{}", ""));
    EXPECT_FALSE(model_ids_from("1", ""));
}

}  // namespace
}  // namespace nova::gateway

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "app/provider_document.hpp"
#include "config/provider_keys.hpp"

namespace nova::app {
namespace {

const gateway::ProviderRow& row(const char* id) {
    return *gateway::ProviderCatalog::embedded().find(id);
}

TEST(ProviderDocument, ComesBackAsItWasStored) {
    ProviderDocument document{.id = "work", .kind = "openai-compatible"};
    document.enabled = false;
    document.order = 7;
    document.base_url = "http://10.0.0.5:8000";
    document.models = {"org/a:b"};
    document.aliases = {{"big", "org/a:b"}};
    document.default_model = "org/a:b";
    document.sealed = "v1.00";
    document.seeded_from = "X";
    const auto read = document_from(document_text(document), "work");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(document_text(*read), document_text(document));
    EXPECT_EQ(read->order, 7);
    EXPECT_FALSE(read->enabled);
    EXPECT_FALSE(document_from("{}", "work"));
    EXPECT_FALSE(document_from("nonsense", "work"));
}

TEST(ProviderDocument, AChangeNamesWhatIsWrong) {
    for (const char* body :
         {"[]", "{", R"({"order": -1})", R"({"order": "1"})", R"({"models": "a"})",
          R"({"models": ["a b"]})", R"({"models": [1]})", R"({"aliases": {"a": 1}})",
          R"({"aliases": []})", R"({"secret": 1})", R"({"secret": "a\nb"})", R"({"secret": ""})",
          R"({"default_model": "a b"})", R"({"base_ulr": "x"})", R"({"enabled": "yes"})"}) {
        const auto change = change_from(body);
        ASSERT_FALSE(change) << body;
        EXPECT_EQ(change.error().code, ErrorCode::invalid_argument) << body;
    }
    EXPECT_TRUE(change_from(""));
    EXPECT_TRUE(change_from(R"({"secret": null})")->secret->empty());
    EXPECT_FALSE(change_from(R"({"order": 1})")->secret);
}

TEST(ProviderDocument, WhatAChangeLeavesOutStays) {
    ProviderDocument document{.id = "openai", .kind = "openai"};
    document.aliases = {{"a", "b"}};
    apply(*change_from(R"({"order": 3, "default_model": ""})"), document);
    EXPECT_EQ(document.order, 3);
    EXPECT_EQ(document.aliases.size(), 1U);
    EXPECT_EQ(document.default_model, "");
    apply(*change_from(R"({"aliases": {}})"), document);
    EXPECT_TRUE(document.aliases.empty());
}

TEST(ProviderDocument, IdsAreWordsThatMeanNothingElse) {
    for (const char* id : {"openai", "my-vllm_2", "0x"}) {
        EXPECT_TRUE(check_provider_id(id)) << id;
    }
    for (const char* id : {"", "A", "a/b", "a b", "local", "ollama", "-a", "..", "a\n"}) {
        EXPECT_FALSE(check_provider_id(id)) << id;
    }
}

TEST(ProviderDocument, TheAddressIsTheApisRoot) {
    ProviderDocument document{.id = "x", .kind = "openai-compatible"};
    const auto at = [&document](const char* kind, std::string url, bool has_key = false) {
        document.base_url = std::move(url);
        const auto address = address_of(document, row(kind), has_key);
        return address ? fmt::format("{}{}", address->endpoint.text(), address->base_path)
                       : "!" + std::string{address.error().name()};
    };
    EXPECT_EQ(at("openai", ""), "api.openai.com:443/v1");
    EXPECT_EQ(at("deepseek", ""), "api.deepseek.com:443");
    EXPECT_EQ(at("openai-compatible", "http://127.0.0.1:99"), "127.0.0.1:99/v1");
    EXPECT_EQ(at("openai", "http://127.0.0.1:99"), "127.0.0.1:99/v1");
    EXPECT_EQ(at("openai", "https://proxy/openai/v1/"), "proxy:443/openai/v1");
    EXPECT_EQ(at("openai-compatible", ""), "!invalid_url");
    EXPECT_EQ(at("azure", ""), "!invalid_url");
    EXPECT_EQ(at("openai", "ftp://x"), "!invalid_url");
    EXPECT_EQ(at("openai", "http://u:p@x/v1"), "!invalid_url");
    EXPECT_EQ(at("openai", "http://169.254.169.254/v1"), "!address_not_allowed");
    EXPECT_EQ(at("openai", "http://0xa9fea9fe/v1"), "!address_not_allowed");
    EXPECT_EQ(at("openai", "http://example.com/v1", true), "!invalid_url") << "the key in clear";
    EXPECT_EQ(at("openai", "http://192.168.1.2/v1", true), "192.168.1.2:80/v1");
    EXPECT_EQ(at("openai", "http://example.com/v1", false), "example.com:80/v1");
}

TEST(ProviderDocument, BecomesAnUpstreamWithItsQuirks) {
    ProviderDocument document{.id = "claude", .kind = "anthropic"};
    document.models = {"by-hand", "claude-x"};
    document.aliases = {{"smart", "claude-x"}};
    const auto address = address_of(document, row("anthropic"), true);
    const auto upstream = upstream_of(
        document, row("anthropic"), *address, Secret{"sk-ant-1"}, {"claude-x", "claude-y"}
    );
    EXPECT_EQ(upstream->id.value, "cloud/claude");
    EXPECT_EQ(upstream->provider, "claude");
    EXPECT_EQ(upstream->where, gateway::Where::cloud);
    EXPECT_EQ(upstream->auth_header_name, "x-api-key");
    EXPECT_EQ(upstream->auth_header_value.reveal(), "sk-ant-1");
    EXPECT_EQ(upstream->models, (std::vector<std::string>{"by-hand", "claude-x", "claude-y"}));
    EXPECT_EQ(upstream->speaks, dialect::Dialect::anthropic);
    EXPECT_EQ(upstream->headers.front().second, "2023-06-01");
    EXPECT_FALSE(upstream->embeds);
    EXPECT_EQ(upstream->default_model, row("anthropic").default_model);
    document.default_model = "";
    EXPECT_EQ(upstream_of(document, row("anthropic"), *address, Secret{}, {})->default_model, "")
        << "a person may have none";
}

TEST(ProviderDocument, EveryVariableOfTheDataIsOnTheAllowList) {
    const auto allowed = config::provider_key_variables();
    std::size_t used = 0;
    for (const gateway::ProviderRow& one : gateway::ProviderCatalog::embedded().rows()) {
        if (!one.key_variable.empty()) {
            ++used;
            EXPECT_NE(std::ranges::find(allowed, one.key_variable), allowed.end()) << one.id;
        }
    }
    EXPECT_EQ(used, allowed.size());
}

}  // namespace
}  // namespace nova::app

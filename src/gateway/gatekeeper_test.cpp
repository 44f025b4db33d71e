#include <gtest/gtest.h>

#include "gateway/gatekeeper.hpp"

namespace nova::gateway {
namespace {

Upstream upstream(std::string provider, Where where) {
    Upstream value;
    value.provider = std::move(provider);
    value.where = where;
    return value;
}

TEST(Access, WithoutScopesAdmitsEverything) {
    const Access access;
    EXPECT_TRUE(access.may_use_model("anything"));
    EXPECT_TRUE(access.may_use(upstream("openai", Where::cloud)));
    EXPECT_TRUE(access.may_use(upstream("llamacpp", Where::local)));
}

TEST(Access, MatchesModelsByNameOrByTheirBeginning) {
    Access access;
    access.models = {"gpt-4o", "llama*"};
    EXPECT_TRUE(access.may_use_model("gpt-4o"));
    EXPECT_FALSE(access.may_use_model("gpt-4o-mini"));
    EXPECT_TRUE(access.may_use_model("llama3.2:1b"));
    EXPECT_TRUE(access.may_use_model("llama"));
    EXPECT_FALSE(access.may_use_model("codellama"));
    EXPECT_FALSE(access.may_use_model(""));
}

TEST(Access, NeverCloudShutsCloudsWhateverTheProvidersSay) {
    Access access;
    access.never_cloud = true;
    access.providers = {"openai", "llamacpp"};
    EXPECT_FALSE(access.may_use(upstream("openai", Where::cloud)));
    EXPECT_TRUE(access.may_use(upstream("llamacpp", Where::local)));
    EXPECT_FALSE(access.may_use(upstream("ollama", Where::local)));
}

}  // namespace
}  // namespace nova::gateway

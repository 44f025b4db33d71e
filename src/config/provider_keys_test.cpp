#include <gtest/gtest.h>

#include "config/provider_keys.hpp"

namespace nova::config {
namespace {

TEST(ProviderKeys, AreThoseOfTheListAndNoOther) {
    const Environment environment{
        {"GROQ_API_KEY", "gsk-1"}, {"OPENAI_API_KEY", "sk-1"}, {"MISTRAL_API_KEY", ""},
        {"GITHUB_TOKEN", "ghp-1"}, {"SOMEBODY_API_KEY", "x"},
    };
    const auto keys = provider_keys(environment);
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_EQ(keys[0].first, "OPENAI_API_KEY");
    EXPECT_EQ(keys[0].second.reveal(), "sk-1");
    EXPECT_EQ(keys[1].first, "GROQ_API_KEY");
    EXPECT_TRUE(provider_keys({}).empty());
}

}  // namespace
}  // namespace nova::config

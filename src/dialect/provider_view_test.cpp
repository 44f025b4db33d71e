// Requests as providers are to get them.
#include <gtest/gtest.h>

#include "dialect/openai_request.hpp"
#include "dialect/provider_view.hpp"

namespace nova::dialect {
namespace {

using Names = std::vector<std::string>;

ChatRequest asking(std::string_view members) {
    auto request = openai::read_request(
        R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string{members} + "}"
    );
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(*request) : ChatRequest{};
}

TEST(ProviderView, DefaultsLieBelowTheRequest) {
    WriteOptions options;
    options.model = "theirs";
    options.defaults = {{"temperature", "0.2"}, {"seed", "7"}, {"stop", "\"x\""}, {"beta", "[1]"}};
    const auto view = provider_view(asking(R"(,"temperature":1)"), options, Dialect::anthropic);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->model, "theirs");
    EXPECT_EQ(view->temperature, 1.0);
    EXPECT_EQ(view->seed, 7);
    EXPECT_EQ(view->stop, Names{"x"});
    ASSERT_EQ(view->extra.size(), 1U);
    EXPECT_EQ(view->extra[0].first, "beta");
    EXPECT_TRUE(view->dropped.empty());
}

TEST(ProviderView, NamesWhatTheProviderDoesNotKnow) {
    WriteOptions options;
    options.unsupported = {"user", "seed", "tools", "reasoning_effort"};
    const auto view = provider_view(
        asking(R"(,"user":"u","reasoning_effort":"low","top_p":0.5)"), options, Dialect::openai
    );
    ASSERT_TRUE(view);
    EXPECT_EQ(view->dropped, (Names{"user", "reasoning_effort"}));
    EXPECT_FALSE(view->user || view->effort);
    EXPECT_EQ(view->top_p, 0.5);
}

TEST(ProviderView, WordsOfAnotherDialectAreNamedIfTheyAskForSomething) {
    const ChatRequest request =
        asking(R"(,"logit_bias":{"1":2},"logprobs":false,"n":1,"store":null,"verbosity":"low")");
    const auto foreign = provider_view(request, {}, Dialect::anthropic);
    ASSERT_TRUE(foreign);
    EXPECT_EQ(foreign->dropped, (Names{"logit_bias", "verbosity"}));
    EXPECT_TRUE(foreign->extra.empty());
    const auto own = provider_view(request, {}, Dialect::openai);
    ASSERT_TRUE(own);
    EXPECT_TRUE(own->dropped.empty());
    EXPECT_EQ(own->extra.size(), 4U);
}

TEST(ProviderView, ADefaultThatIsNoneIsSaid) {
    WriteOptions options;
    options.defaults = {{"temperature", "\"warm\""}};
    const auto view = provider_view(asking(""), options, Dialect::anthropic);
    ASSERT_FALSE(view);
    EXPECT_EQ(
        view.error().message,
        "The provider's defaults cannot be used: temperature must be a number."
    );
}

TEST(ProviderView, ContentOfAnotherDialectIsRefusedNotDropped) {
    ChatRequest request = asking("");
    request.messages[0].content.push_back(
        Part{.kind = Part::Kind::other, .raw = R"({"type":"input_audio"})"}
    );
    EXPECT_TRUE(check_parts(request, Dialect::openai));
    const auto refused = check_parts(request, Dialect::anthropic);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unprocessable);
    EXPECT_EQ(
        refused.error().message, "messages[0] holds content of type `input_audio`, which this "
                                 "provider's API has no word for."
    );
}

}  // namespace
}  // namespace nova::dialect

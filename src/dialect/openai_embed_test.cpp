// Embeddings both ways.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/openai_embed.hpp"

namespace nova::dialect {
namespace {

TEST(OpenAiEmbed, AStringStaysAString) {
    const auto one = openai::read_embed(R"({"model":"m","input":"a"})");
    ASSERT_TRUE(one);
    EXPECT_TRUE(one->single);
    EXPECT_EQ(nlohmann::json::parse(openai::write_embed(*one, {}))["input"], "a");
    const auto list = openai::read_embed(R"({"model":"m","input":["a"]})");
    ASSERT_TRUE(list);
    EXPECT_EQ(
        nlohmann::json::parse(openai::write_embed(*list, {}))["input"], nlohmann::json({"a"})
    );
}

TEST(OpenAiEmbed, Base64IsLittleEndianFloats) {
    const EmbedAnswer answer{.model = {}, .vectors = {{1.0F, -2.5F, 0.1F}}, .prompt_tokens = 3};
    EmbedRequest request;
    request.model = "mine";
    request.base64 = true;
    const std::string text = openai::write_embed_answer(answer, request);
    EXPECT_EQ(nlohmann::json::parse(text)["data"][0]["embedding"], "AACAPwAAIMDNzMw9");
    const auto back = openai::read_embed_answer(text);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->vectors, answer.vectors);
    EXPECT_EQ(back->prompt_tokens, 3U);
}

TEST(OpenAiEmbed, RefusesWhatItCannotTranslate) {
    const auto tokens = openai::read_embed(R"({"model":"m","input":[[1,2]]})");
    ASSERT_FALSE(tokens);
    EXPECT_EQ(
        tokens.error().message, "input as token numbers cannot be translated for this provider."
    );
    EXPECT_FALSE(openai::read_embed(R"({"model":"m","input":[]})"));
    EXPECT_FALSE(openai::read_embed(R"({"model":"m","input":"a","encoding_format":"hex"})"));
    EXPECT_FALSE(openai::read_embed_answer(R"({"data":[{"embedding":"AAA"}]})"));
    EXPECT_FALSE(openai::read_embed_answer("oops"));
    EXPECT_TRUE(openai::read_embed_answer(R"({"model":5,"data":[]})"));
}

}  // namespace
}  // namespace nova::dialect

// Ollama's embeddings both ways.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/ollama_captured.hpp"
#include "dialect/ollama_embed.hpp"
#include "dialect/openai_embed.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;

TEST(OllamaEmbed, OpenAisRequestBecomesOllamas) {
    const auto request = openai::read_embed(R"({"model":"m","input":"a","dimensions":4})");
    ASSERT_TRUE(request);
    EXPECT_EQ(
        J::parse(ollama::write_embed(*request, {.model = "theirs"})),
        J({{"model", "theirs"}, {"input", "a"}, {"dimensions", 4}})
    );
    EXPECT_FALSE(J::parse(ollama::write_embed(*request, {.unsupported = {"dimensions"}}))
                     .contains("dimensions"));
}

TEST(OllamaEmbed, OllamasRequestKeepsItsWish) {
    const auto request =
        ollama::read_embed(R"({"model":"m","input":["a","b"],"truncate":false,"keep_alive":0})");
    ASSERT_TRUE(request);
    EXPECT_EQ(
        J::parse(ollama::write_embed(*request, {})),
        J({{"model", "m"}, {"input", {"a", "b"}}, {"truncate", false}})
    );
}

TEST(OllamaEmbed, ReadsWhatOllamaAnswered) {
    const auto answer = ollama::read_embed_answer(captured::kEmbedded);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->vectors.size(), 2U);
    EXPECT_EQ(answer->vectors[0].size(), 4U);
    EXPECT_FLOAT_EQ(answer->vectors[0][0], -0.37541533F);
    EXPECT_EQ(answer->prompt_tokens, 2U);
    EmbedRequest request;
    request.model = "mine";
    request.base64 = true;
    const auto back = openai::read_embed_answer(openai::write_embed_answer(*answer, request));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->vectors, answer->vectors);
}

TEST(OllamaEmbed, WritesWhatClientsRead) {
    EmbedRequest request;
    request.model = "mine";
    const J body = J::parse(ollama::write_embed_answer(
        {.model = "theirs", .vectors = {{1.0F, 0.5F}}, .prompt_tokens = 3}, request
    ));
    EXPECT_EQ(body["model"], "mine");
    EXPECT_EQ(body["embeddings"], J::parse("[[1.0,0.5]]"));
    EXPECT_EQ(body["prompt_eval_count"], 3);
}

TEST(OllamaEmbed, RefusesWhatIsNoEmbedding) {
    EXPECT_FALSE(ollama::read_embed(R"({"model":"m"})"));
    EXPECT_FALSE(ollama::read_embed(R"({"model":"m","input":[1,2]})"));
    EXPECT_FALSE(ollama::read_embed_answer("oops"));
    EXPECT_FALSE(ollama::read_embed_answer(R"({"embeddings":["a"]})"));
    EXPECT_FALSE(ollama::read_embed_answer(R"({"embeddings":[["a"]]})"));
    EXPECT_FALSE(ollama::read_embed_answer(R"({"embeddings":[[1,null]]})"));
    EXPECT_FALSE(ollama::read_embed_answer(R"({"embeddings":[[1,1e300]]})"));
}

}  // namespace
}  // namespace nova::dialect

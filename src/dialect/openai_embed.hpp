// POST /v1/embeddings: request and answer, both ways.
#pragma once

#include "dialect/codec.hpp"
#include "dialect/json_text.hpp"

namespace nova::dialect::openai {

// Texts to embed, one or a list. Error: invalid_argument, also for token numbers.
Result<void> read_inputs(const Tree* input, std::string_view key, EmbedRequest& request);
// model and input, which go out under the same names in Ollama's dialect.
Tree asked_json(const EmbedRequest& request, const WriteOptions& options);
// Some engines compute vectors that are none (trap 75): false for NaN and infinity.
bool is_vector(const std::vector<float>& numbers);
Result<EmbedRequest> read_embed(std::string_view body);
std::string write_embed(const EmbedRequest& request, const WriteOptions& options);
Result<EmbedAnswer> read_embed_answer(std::string_view body);
std::string write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request);

}  // namespace nova::dialect::openai

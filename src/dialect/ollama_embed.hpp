// Ollama's POST /api/embed: request and answer, both ways.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect::ollama {

Result<EmbedRequest> read_embed(std::string_view body);
std::string write_embed(const EmbedRequest& request, const WriteOptions& options);
Result<EmbedAnswer> read_embed_answer(std::string_view body);
std::string write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request);

}  // namespace nova::dialect::ollama

// Ollama's POST /api/chat and /api/generate: the request, both ways.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect::ollama {

// A request without messages (chat) or prompt (generate) is no error: it asks Ollama to load the
// model, or with keep_alive 0 to put it away.
Result<ChatRequest> read_chat(std::string_view body);
Result<ChatRequest> read_generate(std::string_view body);

// The body for /api/generate where the request is a completion, for /api/chat else. Errors:
// unprocessable (an image by address, trap 88; a file), invalid_argument (arguments that are no
// object, a tool choice without its tool).
Result<std::string> write_request(const ChatRequest& request, const WriteOptions& options);

// What that body does not say of the request, by OpenAI's names.
std::vector<std::string> left_out(const ChatRequest& request, const WriteOptions& options);

}  // namespace nova::dialect::ollama

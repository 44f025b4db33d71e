// Ollama's answers to /api/chat and /api/generate, whole and as lines, both ways.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect::ollama {

enum class Route : std::uint8_t { chat, generate };

// Reads answers of both routes.
std::unique_ptr<AnswerReader> reader(bool stream);
std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream, Route route);

// The answer to a request that asks nothing (ollama_request.hpp), for those who forward none.
std::vector<ChatEvent> nothing_asked(const ChatRequest& request);

// {"error": "a sentence"}, in answers and as a line of a stream.
Error read_error(int status, std::string_view body);
std::string write_error(const Error& error);
std::string write_error_event(const Error& error);

}  // namespace nova::dialect::ollama

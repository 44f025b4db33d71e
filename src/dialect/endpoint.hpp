// Which path of an upstream an operation goes to, and in which dialect it is written there.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "dialect/codec.hpp"

namespace nova::dialect {

enum class Operation : std::uint8_t { chat, completion, embedding };

// Below the upstream's base path, which is /v1 with OpenAI and Anthropic and empty with Ollama.
// Empty: the upstream has no such thing. speaks is what an upstream can speak: openai, anthropic or
// ollama.
std::optional<std::string_view> path_of(Dialect speaks, Operation operation);

struct Wire {
    Dialect dialect;  // whose codec writes the request and reads the answer
    std::string_view path;
};

// Where a request goes that has to be translated. Text to go on with stays that where the upstream
// can: Ollama puts its template around a prompt unless told not to, so elsewhere such a prompt is a
// chat with one user message; Anthropic knows nothing else.
Wire wire_of(Dialect speaks, const ChatRequest& request);

}  // namespace nova::dialect

// What the gateway's generating routes differ in.
#pragma once

#include <cstdint>
#include <string_view>

#include "dialect/codec.hpp"

namespace nova::gateway {

// What a request wants, whatever dialect it is written in.
enum class Operation : std::uint8_t { chat, completion, embedding, responses, count_tokens };

// When the answer is a stream.
enum class Streaming : std::uint8_t {
    if_asked,        // "stream": true
    unless_refused,  // Ollama's API: "stream": false ends it (trap 83)
    always,
    never,
};

struct RelayRoute {
    std::string_view pattern;  // "/v1/chat/completions", in the router's words
    dialect::Dialect dialect;  // of request and answer here
    Operation operation;
    Streaming streaming = Streaming::if_asked;
    bool model_optional = false;  // the first Nova's clients may leave it to us
};

}  // namespace nova::gateway

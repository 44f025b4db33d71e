// Was a prompt cut before the model read it? Ollama does so and answers 200 (trap 87).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dialect/chat_request.hpp"

namespace nova::dialect {

inline constexpr std::uint64_t kCharactersPerToken = 8;

// How many tokens the request's text has at the very least: one for eight characters, a run of the
// same character counted once. Prose has about one for four (4.5 of English, less of anything else,
// with Ollama 0.17.4 and a 49k vocabulary, 2026-11-23); twice that leaves room for the largest
// vocabularies, and runs (indentation, lines of dashes) are what tokenizers have long tokens for.
// Images, tools and the chat template only add to it.
std::uint64_t least_prompt_tokens(const ChatRequest& request);

// And how many a body of that size has at the most, by the same measure.
constexpr std::uint64_t most_prompt_tokens(std::size_t body_bytes) {
    return body_bytes / kCharactersPerToken;
}

struct PromptReading {
    std::uint64_t least_tokens = 0;        // least_prompt_tokens
    std::optional<std::uint64_t> counted;  // the answer's prompt tokens; those of a cache included
    std::optional<std::int64_t> context;   // tokens the engine was given room for; empty: unknown
};

// Certain cuts only; a prompt that is a little too long may go unseen. Seen with Ollama 0.17.4: a
// single message that is too long is read up to exactly the context; of a conversation whole
// messages are left out, so that the count ends somewhere below it.
bool prompt_was_cut(const PromptReading& reading);

}  // namespace nova::dialect

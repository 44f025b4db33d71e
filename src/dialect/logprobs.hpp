// What models thought of their tokens, between the ways dialects write it down.
#pragma once

#include <vector>

#include "dialect/json_text.hpp"

namespace nova::dialect {

// The list OpenAI's chat and Ollama have, {token, logprob, bytes, top_logprobs}, with every member
// OpenAI's clients want; empty where value is no list or an empty one.
RawJson logprobs_from(const Tree& value);
// The older completions' {tokens, token_logprobs, top_logprobs}, as that list.
RawJson logprobs_from_text(const Tree& value);

// Several lists as one.
Tree logprobs_list(const std::vector<RawJson>& lists);
// That list as completions have it; text_offset counts from the first token.
Tree text_logprobs(const Tree& list);

}  // namespace nova::dialect

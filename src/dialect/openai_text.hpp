// OpenAI's POST /v1/completions: text to go on with.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect {

// Errors of read_request: invalid_argument, and unprocessable for what no other dialect can say:
// several prompts, token numbers, echo, best_of, n. Where the upstream speaks OpenAI's dialect such
// requests pass through unread. Answers are read as chat completions are, so one reader does.
const Codec& openai_text_codec();

}  // namespace nova::dialect

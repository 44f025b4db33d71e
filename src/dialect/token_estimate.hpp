// About how many tokens a prompt has, for who asks before it is sent and cannot be told exactly.
#pragma once

#include <cstdint>

#include "dialect/chat_request.hpp"

namespace nova::dialect {

// One for four characters of everything the model would read (English prose has 4.5, code and other
// languages fewer), what a picture costs at most at Anthropic (1600), and a few for each message.
std::uint64_t estimated_prompt_tokens(const ChatRequest& request);

}  // namespace nova::dialect

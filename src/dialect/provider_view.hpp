// A request as one provider is to get it: what writers of any dialect start from.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/result.hpp"
#include "dialect/codec.hpp"

namespace nova::dialect {

// The provider's name for the model, its defaults below what the request says (trap 90), without
// what it does not know. `extra` holds what is to be written as it is: the request's own where it
// comes in the same dialect, and defaults OpenAI has no word for. `dropped` names what this leaves
// out. Errors: a default that is none.
Result<ChatRequest>
provider_view(const ChatRequest& request, const WriteOptions& options, Dialect dialect);

// Takes a member out, by OpenAI's name, and notes it in `dropped` where there was something.
void leave_out(ChatRequest& request, std::string_view name);

// Error unprocessable: a piece of content only the dialect it came in knows (a document, audio).
Result<void> check_parts(const ChatRequest& request, Dialect dialect);

// Does a member of `extra` ask for anything: else nobody misses it.
bool asks_for_something(const std::pair<std::string, RawJson>& member);

// Do both have the same names for what a request may hold?
bool same_words(Dialect a, Dialect b);

}  // namespace nova::dialect

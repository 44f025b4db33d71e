// What a provider's refusal means: one reading for all the shapes they come in.
#pragma once

#include <string_view>

#include "core/error.hpp"
#include "dialect/json_text.hpp"

namespace nova::dialect {

// "The provider WHAT." as an upstream failure.
Error broken(std::string_view what);

// From an answer's parsed body: {"error": {...}}, {"error": "text"}, {"message"}, {"detail"},
// {"type": "error", "error": {...}}, and any of them in a list. The upstream's sentence and code
// are kept (trap 63). Status 200: an error inside a stream.
Error error_from(int status, const Tree& document);

// From a body of any kind; HTML and plain text become a bounded sentence.
Error error_from_body(int status, std::string_view body);

}  // namespace nova::dialect

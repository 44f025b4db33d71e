// Answers that are not streamed: collected from bytes before they are read.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "dialect/codec.hpp"
#include "dialect/json_text.hpp"

namespace nova::dialect {

// Hands the whole body to `take` when it has ended; one of more than 64 MiB gives Failed.
std::unique_ptr<AnswerReader>
collecting_reader(void (*take)(std::string_view body, std::vector<ChatEvent>& out));

// Hands the whole body, a JSON object, to `take` when it has ended. A body of more than 64 MiB or
// of anything else gives Failed.
std::unique_ptr<AnswerReader>
whole_reader(void (*take)(const Tree& object, std::vector<ChatEvent>& out));

}  // namespace nova::dialect

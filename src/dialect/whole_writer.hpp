// Answers that are not streamed: collected from events before they are written.
#pragma once

#include <memory>
#include <string>

#include "dialect/codec.hpp"
#include "dialect/whole_answer.hpp"

namespace nova::dialect {

// Writes one JSON body when the answer has ended: `body` of what was gathered, with the upstream's
// id and time where it told them, or `refusal` where it failed.
std::unique_ptr<AnswerWriter> whole_writer(
    AnswerIdentity identity, std::string (*body)(const AnswerIdentity&, const WholeAnswer&),
    std::string (*refusal)(const Error&)
);

}  // namespace nova::dialect

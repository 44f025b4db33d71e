// Answers of POST /v1/messages, whole and streamed, both ways.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect::anthropic {

std::unique_ptr<AnswerReader> reader(bool stream);
std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream);

// {"type": "error", "error": {type, message}}, with one of Anthropic's types.
std::string write_error(const Error& error);
std::string write_error_event(const Error& error);

}  // namespace nova::dialect::anthropic

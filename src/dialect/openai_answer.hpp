// Answers of POST /v1/chat/completions, whole and streamed, both ways.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect::openai {

std::unique_ptr<AnswerReader> reader(bool stream);
std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream);

// {"error": {message, type, param, code}} and what providers send instead of it.
Error read_error(int status, std::string_view body);
std::string write_error(const Error& error);
std::string write_error_event(const Error& error);

}  // namespace nova::dialect::openai

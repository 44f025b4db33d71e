// Errors in the shape OpenAI clients read: {"error": {message, type, param, code}}.
#pragma once

#include <string>

#include "core/error.hpp"
#include "gateway/routing_table.hpp"

namespace nova::gateway {

std::string openai_error_body(const Error& error);
// With {"loading": {phase, progress?, eta_s?}} beside it (contract.md 6).
std::string openai_error_body(const Error& error, const Loading& loading);
// The one event a stream ends with when its upstream failed after the first byte.
std::string openai_error_event(const Error& error);

}  // namespace nova::gateway

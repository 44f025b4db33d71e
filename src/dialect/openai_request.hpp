// POST /v1/chat/completions: the request, both ways.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect::openai {

Result<ChatRequest> read_request(std::string_view body);
std::string write_request(const ChatRequest& request, const WriteOptions& options);
std::vector<std::string> left_out(const ChatRequest& request, const WriteOptions& options);

}  // namespace nova::dialect::openai

// POST /v1/messages: the request, both ways.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect::anthropic {

Result<ChatRequest> read_request(std::string_view body);

Result<std::string> write_request(const ChatRequest& request, const WriteOptions& options);
std::vector<std::string> left_out(const ChatRequest& request, const WriteOptions& options);

}  // namespace nova::dialect::anthropic

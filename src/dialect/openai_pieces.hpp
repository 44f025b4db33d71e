// Pieces of OpenAI's bodies that other dialects share: sampling, stop, tools, images, usage.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dialect/codec.hpp"
#include "dialect/json_text.hpp"

namespace nova::dialect::openai {

// A data: URI with base64 is taken apart; anything else stays an address.
Image image_from(std::string url, std::string detail);
// {"id", "function": {"name", "arguments"}}; the id may be missing.
Result<ToolCall> read_call(const Tree& value, const std::string& path);
// "tools", and "functions" as they were before; tools that are no functions are dropped.
Result<void> read_tools(Members& members, ChatRequest& request);
// "stop": a string or a list of strings.
void read_stop(Members& members, ChatRequest& request);
// temperature, top_p, ... and both words for the limit.
void read_sampling(Members& members, ChatRequest& request);

// stream, and stream_options.include_usage.
void read_stream(Members& members, ChatRequest& request);
void put_stream(Tree& out, const ChatRequest& request, const WriteOptions& options);

// logprobs and top_logprobs, as OpenAI's chat and Ollama have them.
void read_logprobs(Members& members, ChatRequest& request);
void put_logprobs(Tree& out, const ChatRequest& request);

Tree tool_json(const Tool& tool);
// What the request says of sampling and stop; max_tokens goes out as `limit`.
void put_sampling(Tree& out, const ChatRequest& request, const char* limit);
const char* limit_name(const WriteOptions& options);
// The members nobody here knows, where they are in OpenAI's words.
void put_extra(Tree& out, const ChatRequest& request);
void drop_unsupported(Tree& out, const WriteOptions& options);
// Defaults lie below what the request says, and what the provider does not know goes.
void apply_options(Tree& out, const WriteOptions& options);

// What of OpenRouter's reasoning_details is Anthropic's: thinking with its proof, and what only
// Anthropic can read. Both ways.
std::vector<Thought> thoughts_from(const Tree& details);
Tree details_json(const std::vector<Thought>& thoughts);

std::string_view finish_word(FinishReason reason);
Tree usage_json(const Usage& usage);

}  // namespace nova::dialect::openai

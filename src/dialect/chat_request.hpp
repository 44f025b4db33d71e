// What a client asks for, free of any dialect: read from one, written in another.
//
// Used only where client and provider speak differently. Where they speak the same, the bytes pass
// through and nothing here is involved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nova::dialect {

// A JSON value kept as its text: order of keys and spelling of numbers survive (traps 51, 75).
using RawJson = std::string;

// openai_text is /v1/completions; ollama_generate is /api/generate; nova is what the first Nova's
// clients speak (/complete and /stream).
enum class Dialect : std::uint8_t { openai, openai_text, anthropic, ollama, ollama_generate, nova };

enum class Role : std::uint8_t { system, developer, user, assistant, tool };

struct Image {
    std::string media_type;  // "image/png"; empty when the URL says nothing
    std::string base64;      // empty: url holds an http(s) address instead
    std::string url;
    std::string detail;  // OpenAI's low, high, auto; empty when not said
};

// A piece of a message's content, in order.
struct Part {
    enum class Kind : std::uint8_t { text, image, other };
    Kind kind = Kind::text;
    std::string text{};
    Image image{};
    RawJson raw{};  // other: audio, files, documents as they came
};

struct ToolCall {
    std::string id;
    std::string name;
    std::string arguments;  // JSON text of an object; "{}" when none came
};

// A piece of thinking with Anthropic's proof of it, or one that only Anthropic can read.
struct Thought {
    std::string text{};
    std::string signature{};
    std::string redacted{};  // its data; then the others are empty
};

struct Message {
    Role role = Role::user;
    std::vector<Part> content;
    std::optional<std::string> reasoning;  // thinking that is replayed
    std::vector<Thought> thoughts;         // of it what is proven, and what was redacted
    std::vector<ToolCall> tool_calls;      // assistant
    std::string tool_call_id;              // tool: whose result this is
    std::string name;                      // tool: name of the function, when known
    bool tool_failed = false;              // tool: the result is an error
    std::optional<RawJson> cache_control;  // Anthropic's; written only to Anthropic
};

struct Tool {
    std::string name;
    std::string description;
    RawJson parameters = "{}";  // JSON schema
    std::optional<bool> strict;
    std::optional<RawJson> cache_control{};  // Anthropic's; written only to Anthropic
};

struct ToolChoice {
    enum class Mode : std::uint8_t { automatic, none, required, function };
    Mode mode = Mode::automatic;
    std::string function;
};

struct ResponseFormat {
    enum class Kind : std::uint8_t { text, json_object, json_schema };
    Kind kind = Kind::text;
    std::string name;
    RawJson schema;
    std::optional<bool> strict;
};

struct ChatRequest {
    std::string model;
    std::vector<Message> messages;
    // /v1/completions and /api/generate: text to go on with, not a conversation. messages then
    // holds one user message, the prompt (and a system message before it where Ollama's has one).
    bool completion = false;
    bool raw = false;    // of a completion: the text goes to the model without a chat template
    std::string suffix;  // of a completion: what comes after the gap
    std::vector<Tool> tools;
    std::optional<ToolChoice> tool_choice;
    std::optional<bool> parallel_tool_calls;
    bool stream = false;
    bool include_usage = false;  // OpenAI's stream_options.include_usage
    std::optional<std::int64_t> max_tokens;
    std::optional<double> temperature;
    std::optional<double> top_p;
    std::optional<std::int64_t> top_k;
    std::optional<double> min_p;
    std::optional<double> presence_penalty;
    std::optional<double> frequency_penalty;
    std::optional<double> repeat_penalty;
    std::optional<std::int64_t> seed;
    std::vector<std::string> stop;
    std::optional<std::int64_t> logprobs;  // of each token, and of so many others beside it
    std::optional<ResponseFormat> format;
    std::optional<std::string> effort;         // none, minimal, low, medium, high, xhigh, max
    std::optional<std::int64_t> think_budget;  // Anthropic's thinking.budget_tokens
    std::optional<std::int64_t> context;       // Ollama's num_ctx
    std::optional<RawJson> keep_alive;         // Ollama's: seconds or "5m"
    std::optional<std::string> user;
    std::optional<RawJson> metadata;
    // Whose words `extra` and Part::raw are.
    Dialect from = Dialect::openai;
    // Members nobody here knows, name and value; written where the same dialect is spoken.
    std::vector<std::pair<std::string, RawJson>> extra;
    // What a reader could not keep; for X-Nova-Left-Out, with Codec::left_out beside it.
    std::vector<std::string> dropped;
};

struct EmbedRequest {
    std::string model;
    std::vector<std::string> inputs;
    bool single = false;  // the input was a string, not a list (trap 67)
    bool base64 = false;  // encoding_format: little-endian float32
    std::optional<std::int64_t> dimensions;
    std::optional<bool> truncate;
};

}  // namespace nova::dialect

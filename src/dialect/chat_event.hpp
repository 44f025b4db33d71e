// What an answer consists of, free of any dialect, streamed or whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "dialect/chat_request.hpp"

namespace nova::dialect {

struct Begun {
    std::string id;            // empty when the upstream gives none
    std::string model;         // as the upstream names it
    std::int64_t created = 0;  // unix seconds; 0 when unknown
};

struct TextDelta {
    std::string text;
    // Of its tokens, as OpenAI's list of {token, logprob, bytes, top_logprobs}; usually empty. Then
    // the text may be empty.
    RawJson logprobs{};
};

struct ReasoningDelta {
    std::string text;
    std::string signature;   // Anthropic; usually empty
    std::string redacted{};  // Anthropic: a piece only it can read; then the others are empty
};

struct RefusalDelta {
    std::string text;
};

// Indexes count calls from 0 without gaps, whatever the upstream sent (trap 49).
struct ToolCallBegun {
    std::uint32_t index = 0;
    std::string id;  // never empty: made up where the upstream has none (trap 52)
    std::string name;
};

struct ToolArgumentsDelta {
    std::uint32_t index = 0;
    std::string json;
};

enum class FinishReason : std::uint8_t { stop, length, tool_calls, content_filter, refusal, other };

// At most once. tool_calls where calls were begun and the upstream says stop (trap 50).
struct Finished {
    FinishReason reason = FinishReason::stop;
    std::string stop_sequence;  // Anthropic: which one
    std::string raw;            // the upstream's own word
};

// Totals so far; a later one replaces an earlier. Left out where the upstream does not say.
// prompt includes cached tokens (trap 66).
struct Usage {
    std::optional<std::uint64_t> prompt;
    std::optional<std::uint64_t> completion;
    std::optional<std::uint64_t> cached;
    std::optional<std::uint64_t> cache_write;
    std::optional<std::uint64_t> reasoning;
};

// Nothing follows it but Usage.
struct Failed {
    Error error;
};

struct KeepAlive {};

using ChatEvent = std::variant<
    Begun, TextDelta, ReasoningDelta, RefusalDelta, ToolCallBegun, ToolArgumentsDelta, Finished,
    Usage, Failed, KeepAlive>;

// A later reading replaces what it names of an earlier one.
void merge(Usage& into, const Usage& newer);

// For std::visit over the kinds of events.
template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};

// Has the client got something it would notice if it came twice: text, reasoning, a refusal or a
// tool call. Until then another provider may be tried (decisions.md 1.3).
bool is_content(const ChatEvent& event);

struct EmbedAnswer {
    std::string model;
    std::vector<std::vector<float>> vectors;
    std::optional<std::uint64_t> prompt_tokens;
};

}  // namespace nova::dialect

// How hard to think: in words as OpenAI has it, in tokens as Anthropic has it.
#pragma once

#include <cstdint>
#include <string_view>

namespace nova::dialect {

// The least that Anthropic takes (reference/engines-and-tools.md 8.8).
inline constexpr std::int64_t kLeastThinking = 1024;

// 0: not at all. A word nobody knows is medium.
std::int64_t budget_of(std::string_view effort);
// One of the words that every engine with words has: none, low, medium, high.
std::string_view effort_of(std::int64_t budget);

}  // namespace nova::dialect

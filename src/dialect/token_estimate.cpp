// Characters by four.
#include "dialect/token_estimate.hpp"

#include <algorithm>
#include <string_view>

namespace nova::dialect {
namespace {

constexpr std::uint64_t kCharacters = 4;
constexpr std::uint64_t kPicture = 1600;
constexpr std::uint64_t kMessage = 4;  // its role and its borders

std::uint64_t characters_in(std::string_view text) {
    return static_cast<std::uint64_t>(std::ranges::count_if(text, [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
    }));
}

}  // namespace

std::uint64_t estimated_prompt_tokens(const ChatRequest& request) {
    std::uint64_t characters = 0;
    std::uint64_t tokens = kMessage * request.messages.size();
    for (const Message& message : request.messages) {
        for (const Part& part : message.content) {
            tokens += part.kind == Part::Kind::image ? kPicture : 0;
            characters += characters_in(part.text) + characters_in(part.raw);
        }
        characters += characters_in(message.reasoning.value_or(""));
        for (const ToolCall& call : message.tool_calls) {
            characters += characters_in(call.name) + characters_in(call.arguments);
        }
    }
    for (const Tool& tool : request.tools) {
        characters += characters_in(tool.name) + characters_in(tool.description) +
                      characters_in(tool.parameters);
    }
    return tokens + (characters + kCharacters - 1) / kCharacters;
}

}  // namespace nova::dialect

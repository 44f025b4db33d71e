// Whether a prompt was read whole.
#include "dialect/truncation.hpp"

#include <string_view>

namespace nova::dialect {
namespace {

// Code points, equal neighbours counted once.
std::uint64_t characters_in(std::string_view text) {
    std::uint64_t count = 0;
    std::string_view before;
    while (!text.empty()) {
        std::size_t length = 1;
        while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0U) == 0x80U
        ) {
            ++length;
        }
        const std::string_view now = text.substr(0, length);
        count += now == before ? 0 : 1;
        before = now;
        text.remove_prefix(length);
    }
    return count;
}

}  // namespace

std::uint64_t least_prompt_tokens(const ChatRequest& request) {
    std::uint64_t characters = 0;
    for (const Message& message : request.messages) {
        for (const Part& part : message.content) {
            characters += characters_in(part.text);
        }
    }
    return characters / kCharactersPerToken;
}

bool prompt_was_cut(const PromptReading& reading) {
    const bool room_known = reading.context && *reading.context > 0;
    const std::uint64_t room = room_known ? static_cast<std::uint64_t>(*reading.context) : 0;
    if (room_known && reading.least_tokens > room) {
        return true;  // it cannot have been read whole, whatever was counted
    }
    if (reading.counted.value_or(0) == 0) {
        return false;
    }
    if (room_known) {
        // It fits, so a low count is that of a cache; a full one leaves no room for an answer.
        return *reading.counted >= room;
    }
    return reading.least_tokens > *reading.counted;
}

}  // namespace nova::dialect

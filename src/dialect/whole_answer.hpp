// Answers that are not streamed: collected from bytes before they are read, and from events before
// they are written.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dialect/codec.hpp"
#include "dialect/json_text.hpp"

namespace nova::dialect {

// Hands the whole body, a JSON object, to `take` when it has ended. A body of more than 64 MiB or
// of anything else gives Failed.
std::unique_ptr<AnswerReader>
whole_reader(void (*take)(const Tree& object, std::vector<ChatEvent>& out));

// What the events of one answer add up to.
struct WholeAnswer {
    Begun begun{};
    std::string text{};
    std::string reasoning{};
    std::string signature{};
    std::string refusal{};
    std::vector<ToolCall> calls{};  // arguments are empty where none came
    Finished finished{};
    Usage usage{};
    std::optional<Error> error{};

    void take(const ChatEvent& event);
};

}  // namespace nova::dialect

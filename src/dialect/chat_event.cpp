// What counts as content.
#include "dialect/chat_event.hpp"

namespace nova::dialect {

bool is_content(const ChatEvent& event) {
    return std::holds_alternative<TextDelta>(event) ||
           std::holds_alternative<ReasoningDelta>(event) ||
           std::holds_alternative<RefusalDelta>(event) ||
           std::holds_alternative<ToolCallBegun>(event) ||
           std::holds_alternative<ToolArgumentsDelta>(event);
}

}  // namespace nova::dialect

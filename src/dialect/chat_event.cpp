// What counts as content, and how readings of usage add up.
#include "dialect/chat_event.hpp"

namespace nova::dialect {

void merge(Usage& into, const Usage& newer) {
    const auto take = [](auto& old, const auto& fresh) {
        if (fresh) {
            old = fresh;
        }
    };
    take(into.prompt, newer.prompt);
    take(into.completion, newer.completion);
    take(into.cached, newer.cached);
    take(into.cache_write, newer.cache_write);
    take(into.reasoning, newer.reasoning);
}

bool is_content(const ChatEvent& event) {
    return std::holds_alternative<TextDelta>(event) ||
           std::holds_alternative<ReasoningDelta>(event) ||
           std::holds_alternative<RefusalDelta>(event) ||
           std::holds_alternative<ToolCallBegun>(event) ||
           std::holds_alternative<ToolArgumentsDelta>(event);
}

}  // namespace nova::dialect

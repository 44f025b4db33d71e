// Events gathered into one answer.
#include "dialect/whole_answer.hpp"

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

void WholeAnswer::take(const ChatEvent& event) {
    std::visit(
        Overloaded{
            [this](const Begun& begun) {
                id = begun.id.empty() ? id : begun.id;
                created = begun.created == 0 ? created : begun.created;
            },
            [this](const TextDelta& piece) { text += piece.text; },
            [this](const ReasoningDelta& piece) { reasoning += piece.text; },
            [this](const RefusalDelta& piece) { refusal += piece.text; },
            [this](const ToolCallBegun& call) {
                calls.push_back(ToolCall{.id = call.id, .name = call.name, .arguments = {}});
            },
            [this](const ToolArgumentsDelta& piece) {
                if (piece.index < calls.size()) {
                    calls[piece.index].arguments += piece.json;
                }
            },
            [this](const Finished& end) { finished = end; },
            [this](const Usage& newer) { merge(usage, newer); },
            [this](const Failed& failed) { error = failed.error; },
            [](const KeepAlive&) {},
        },
        event
    );
}

}  // namespace nova::dialect

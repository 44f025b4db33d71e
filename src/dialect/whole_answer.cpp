// Events gathered into one answer.
#include "dialect/whole_answer.hpp"

namespace nova::dialect {

void WholeAnswer::take(const ChatEvent& event) {
    std::visit(
        Overloaded{
            [this](const Begun& begun) {
                id = begun.id.empty() ? id : begun.id;
                created = begun.created == 0 ? created : begun.created;
            },
            [this](const TextDelta& piece) {
                text += piece.text;
                if (!piece.logprobs.empty()) {
                    logprobs.push_back(piece.logprobs);
                }
            },
            [this](const ReasoningDelta& piece) { think(piece); },
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

// A signature ends the piece of thinking it proves.
void WholeAnswer::think(const ReasoningDelta& piece) {
    reasoning += piece.text;
    const bool goes_on = !thoughts.empty() && thoughts.back().signature.empty() &&
                         thoughts.back().redacted.empty() && piece.redacted.empty();
    if (!goes_on) {
        thoughts.emplace_back();
    }
    thoughts.back().text += piece.text;
    thoughts.back().signature += piece.signature;
    thoughts.back().redacted += piece.redacted;
}

}  // namespace nova::dialect

// A whole answer, put together from its events: for dialects' answers that are no streams.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dialect/chat_event.hpp"
#include "dialect/chat_request.hpp"

namespace nova::dialect {

struct WholeAnswer {
    std::string id;            // empty when the upstream gave none
    std::int64_t created = 0;  // 0 when unknown
    std::string text;
    std::vector<RawJson> logprobs;  // lists, one after the other
    std::string reasoning;
    std::vector<Thought> thoughts;  // the same in its pieces, with those only Anthropic can read
    std::string refusal;
    std::vector<ToolCall> calls;
    std::optional<Finished> finished;
    Usage usage;
    std::optional<Error> error;

    void take(const ChatEvent& event);

    FinishReason reason() const { return finished ? finished->reason : FinishReason::stop; }

private:
    void think(const ReasoningDelta& piece);
};

}  // namespace nova::dialect

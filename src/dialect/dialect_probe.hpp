// For tests: events as short words, and readers fed in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/random.hpp"
#include "dialect/codec.hpp"

namespace nova::dialect {

// "begun(m) text(Hi) call(0 call_1 f) args(0 {}) finished(stop) usage(9/2) failed(word) alive"
inline std::string in_words(const std::vector<ChatEvent>& events) {
    struct Words {
        std::string operator()(const Begun& e) const { return fmt::format("begun({})", e.model); }

        std::string operator()(const TextDelta& e) const { return fmt::format("text({})", e.text); }

        std::string operator()(const ReasoningDelta& e) const {
            return e.redacted.empty() ? fmt::format("thought({})", e.text)
                                      : fmt::format("redacted({})", e.redacted);
        }

        std::string operator()(const RefusalDelta& e) const {
            return fmt::format("refusal({})", e.text);
        }

        std::string operator()(const ToolCallBegun& e) const {
            return fmt::format("call({} {} {})", e.index, e.id, e.name);
        }

        std::string operator()(const ToolArgumentsDelta& e) const {
            return fmt::format("args({} {})", e.index, e.json);
        }

        std::string operator()(const Finished& e) const {
            constexpr std::string_view kWords[] = {"stop",           "length",  "tool_calls",
                                                   "content_filter", "refusal", "other"};
            return fmt::format("finished({})", kWords[static_cast<std::size_t>(e.reason)]);
        }

        std::string operator()(const Usage& e) const {
            return fmt::format("usage({}/{})", e.prompt.value_or(0), e.completion.value_or(0));
        }

        std::string operator()(const Failed& e) const {
            return fmt::format("failed({})", e.error.name());
        }

        std::string operator()(const KeepAlive&) const { return "alive"; }
    };

    std::string all;
    for (const ChatEvent& event : events) {
        all += (all.empty() ? "" : " ") + std::visit(Words{}, event);
    }
    return all;
}

// The events of a stream that arrives in one piece, or cut at random places by the seed.
inline std::vector<ChatEvent>
events_of(AnswerReader& reader, std::string_view bytes, std::uint64_t seed = 0) {
    std::vector<ChatEvent> events;
    Random random{seed};
    while (!bytes.empty()) {
        const std::size_t take =
            seed == 0 ? bytes.size() : 1 + random.below(std::min<std::size_t>(bytes.size(), 40));
        reader.feed(bytes.substr(0, take), events);
        bytes.remove_prefix(take);
    }
    reader.end(events);
    return events;
}

}  // namespace nova::dialect

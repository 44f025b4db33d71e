// What Anthropic's messages API answers, as events.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/anthropic_answer.hpp"
#include "dialect/json_text.hpp"
#include "dialect/provider_error.hpp"
#include "dialect/whole_reader.hpp"
#include "net/sse.hpp"

namespace nova::dialect::anthropic {
namespace {

using namespace std::string_view_literals;

FinishReason reason_from(std::string_view word) {
    constexpr std::array kReasons{
        std::pair{"end_turn"sv, FinishReason::stop},
        std::pair{"stop_sequence"sv, FinishReason::stop},
        std::pair{"pause_turn"sv, FinishReason::stop},
        std::pair{"max_tokens"sv, FinishReason::length},
        std::pair{"model_context_window_exceeded"sv, FinishReason::length},
        std::pair{"tool_use"sv, FinishReason::tool_calls},
        std::pair{"refusal"sv, FinishReason::refusal},
    };
    const auto* const found =
        std::ranges::find(kReasons, word, &std::pair<std::string_view, FinishReason>::first);
    return found == kReasons.end() ? FinishReason::other : found->second;
}

// input_tokens leaves cached ones out; readings are totals so far, and servers that know them late
// say 0 before (trap 66).
class Meter {
public:
    void take(const Tree& usage, std::vector<ChatEvent>& out) {
        if (!usage.is_object()) {
            return;
        }
        const auto newer = [&](std::optional<std::uint64_t>& total, const char* key) {
            if (const auto now = count_in(usage, key)) {
                total = std::max(total.value_or(0), *now);
            }
        };
        newer(input_, "input_tokens");
        newer(written_, "cache_creation_input_tokens");
        newer(cached_, "cache_read_input_tokens");
        newer(output_, "output_tokens");
        Usage said;
        if (input_) {
            said.prompt = *input_ + written_.value_or(0) + cached_.value_or(0);
        }
        said.completion = output_;
        said.cached = cached_;
        said.cache_write = written_;
        said.reasoning = count_in(member(usage, "output_tokens_details"), "thinking_tokens");
        out.emplace_back(said);
    }

private:
    std::optional<std::uint64_t> input_;
    std::optional<std::uint64_t> written_;
    std::optional<std::uint64_t> cached_;
    std::optional<std::uint64_t> output_;
};

// The blocks of one answer. Their indexes count text and calls together; calls get their own here
// (trap 49).
class Blocks {
public:
    void begin(std::int64_t index, const Tree& block, std::vector<ChatEvent>& out) {
        end(index, out);
        const std::string type = text_of(member(block, "type"));
        if (type == "text") {
            text(text_of(member(block, "text")), out);
        } else if (type == "thinking") {
            thought(text_of(member(block, "thinking")), text_of(member(block, "signature")), out);
        } else if (type == "redacted_thinking") {
            if (std::string data = text_of(member(block, "data")); !data.empty()) {
                out.emplace_back(
                    ReasoningDelta{.text = {}, .signature = {}, .redacted = std::move(data)}
                );
            }
        } else if (type == "tool_use") {
            const std::string id = text_of(member(block, "id"));
            out.emplace_back(ToolCallBegun{
                .index = calls_,
                .id = id.empty() ? fmt::format("toolu_{}", calls_) : id,
                .name = text_of(member(block, "name")),
            });
            open_[index] = Call{.own = calls_++, .whole = input_text(member(block, "input"))};
        } else {
            foreign_.insert(index);  // tools that run at Anthropic: no word here
        }
    }

    // False: input for a tool, and nobody knows which.
    bool add(std::int64_t index, const Tree& delta, std::vector<ChatEvent>& out) {
        const std::string type = text_of(member(delta, "type"));
        if (type == "text_delta") {
            text(text_of(member(delta, "text")), out);
        } else if (type == "thinking_delta") {
            thought(text_of(member(delta, "thinking")), {}, out);
        } else if (type == "signature_delta") {
            thought({}, text_of(member(delta, "signature")), out);
        } else if (type == "input_json_delta") {
            const auto call = open_.find(index);
            if (call == open_.end()) {
                return foreign_.contains(index);
            }
            if (std::string json = text_of(member(delta, "partial_json")); !json.empty()) {
                call->second.whole.clear();
                out.emplace_back(
                    ToolArgumentsDelta{.index = call->second.own, .json = std::move(json)}
                );
            }
        }
        return true;
    }

    // A call without a piece of input has the input it began with, or none.
    void end(std::int64_t index, std::vector<ChatEvent>& out) {
        foreign_.erase(index);
        if (const auto call = open_.find(index); call != open_.end()) {
            close(call->second, out);
            open_.erase(call);
        }
    }

    void end_all(std::vector<ChatEvent>& out) {
        for (auto& [index, call] : open_) {
            close(call, out);
        }
        open_.clear();
    }

    bool has_calls() const { return calls_ > 0; }

private:
    struct Call {
        std::uint32_t own = 0;
        std::string whole;  // the input it began with; empty once pieces have come
    };

    static std::string input_text(const Tree& input) {
        return input.is_object() ? raw_text(input) : "{}";
    }

    static void text(std::string piece, std::vector<ChatEvent>& out) {
        if (!piece.empty()) {
            out.emplace_back(TextDelta{std::move(piece)});
        }
    }

    static void thought(std::string piece, std::string signature, std::vector<ChatEvent>& out) {
        if (!piece.empty() || !signature.empty()) {
            out.emplace_back(
                ReasoningDelta{.text = std::move(piece), .signature = std::move(signature)}
            );
        }
    }

    static void close(Call& call, std::vector<ChatEvent>& out) {
        if (!call.whole.empty()) {
            out.emplace_back(ToolArgumentsDelta{.index = call.own, .json = std::move(call.whole)});
        }
    }

    std::uint32_t calls_ = 0;
    std::map<std::int64_t, Call> open_;
    std::set<std::int64_t> foreign_;
};

Finished finished_from(const Tree& holder, bool has_calls) {
    Finished finished{
        .reason = FinishReason::stop,
        .stop_sequence = text_of(member(holder, "stop_sequence")),
        .raw = text_of(member(holder, "stop_reason")),
    };
    finished.reason = reason_from(finished.raw);
    if (finished.reason == FinishReason::stop && has_calls) {
        finished.reason = FinishReason::tool_calls;  // trap 50
    }
    return finished;
}

bool holds_error(const Tree& object) {
    const Tree& error = member(object, "error");
    return text_of(member(object, "type")) == "error" || error.is_object() ||
           !text_of(error).empty();
}

Begun begun_from(const Tree& message) {
    return Begun{
        .id = text_of(member(message, "id")),
        .model = text_of(member(message, "model")),
        .created = 0,
    };
}

class StreamReader final : public AnswerReader {
public:
    void feed(std::string_view bytes, std::vector<ChatEvent>& out) override {
        if (over_) {
            return;
        }
        if (!parser_.feed(bytes)) {
            fail_with(broken("sent an event that is too large"), out);
            return;
        }
        while (!over_) {
            const auto event = parser_.next();
            if (!event) {
                return;
            }
            take(*event, out);
        }
    }

    void end(std::vector<ChatEvent>& out) override {
        feed("\n\n", out);  // the last event may lack its blank line
        if (!over_) {
            fail_with(broken("ended its answer before it was complete"), out);
        }
    }

private:
    void take(const net::SseEvent& event, std::vector<ChatEvent>& out) {
        if (event.comment_only) {
            out.emplace_back(KeepAlive{});
            return;
        }
        if (!event.has_data || event.data.empty()) {
            return;
        }
        const auto objects = parse_objects(event.data);
        if (objects.empty()) {
            const std::string_view what =
                event.event == "error" ? "reported an error" : "sent an event that is not JSON";
            fail_with(broken(what), out);
            return;
        }
        for (const Tree& object : objects) {
            if (!over_) {
                take(object, out);
            }
        }
    }

    void take(const Tree& object, std::vector<ChatEvent>& out) {
        const std::string type = text_of(member(object, "type"));
        const Tree& place = member(object, "index");
        const std::int64_t index = place.is_number_integer() ? place.get<std::int64_t>() : 0;
        if (holds_error(object)) {
            fail_with(error_from(200, object), out);
        } else if (type == "ping") {
            out.emplace_back(KeepAlive{});
        } else if (type == "message_start") {
            begin(member(object, "message"), out);
        } else if (type == "content_block_start") {
            begin({}, out);
            blocks_.begin(index, member(object, "content_block"), out);
        } else if (type == "content_block_delta") {
            begin({}, out);
            if (!blocks_.add(index, member(object, "delta"), out)) {
                fail_with(broken("sent input for a tool it does not call"), out);
            }
        } else if (type == "content_block_stop") {
            blocks_.end(index, out);
        } else if (type == "message_delta") {
            const Tree& delta = member(object, "delta");
            if (member(delta, "stop_reason").is_string()) {
                finished_ = finished_from(delta, blocks_.has_calls());
            }
            meter_.take(member(object, "usage"), out);
        } else if (type == "message_stop") {
            finish(out);
        }
    }

    void begin(const Tree& message, std::vector<ChatEvent>& out) {
        if (!begun_) {
            begun_ = true;
            out.emplace_back(begun_from(message));
            meter_.take(member(message, "usage"), out);
        }
    }

    // Said only now: a stream that breaks off before message_stop has not finished.
    void finish(std::vector<ChatEvent>& out) {
        if (!finished_) {
            fail_with(broken("ended its answer without a stop reason"), out);
            return;
        }
        blocks_.end_all(out);
        out.emplace_back(std::move(*finished_));
        over_ = true;
    }

    void fail_with(Error error, std::vector<ChatEvent>& out) {
        over_ = true;
        out.emplace_back(Failed{std::move(error)});
    }

    net::SseParser parser_;
    Blocks blocks_;
    Meter meter_;
    std::optional<Finished> finished_;
    bool begun_ = false;
    bool over_ = false;  // finished or failed: what comes now is ignored
};

void take_whole(const Tree& message, std::vector<ChatEvent>& out) {
    if (holds_error(message)) {
        out.emplace_back(Failed{error_from(200, message)});
        return;
    }
    out.emplace_back(begun_from(message));
    Blocks blocks;
    const Tree& content = member(message, "content");
    for (std::size_t i = 0; content.is_array() && i < content.size(); ++i) {
        const auto index = static_cast<std::int64_t>(i);
        blocks.begin(index, content[i], out);
        blocks.end(index, out);
    }
    Meter{}.take(member(message, "usage"), out);
    if (member(message, "stop_reason").is_string()) {
        out.emplace_back(finished_from(message, blocks.has_calls()));
    } else {
        out.emplace_back(Failed{broken("answered without a stop reason")});
    }
}

}  // namespace

std::unique_ptr<AnswerReader> reader(bool stream) {
    if (stream) {
        return std::make_unique<StreamReader>();
    }
    return whole_reader(take_whole);
}

}  // namespace nova::dialect::anthropic

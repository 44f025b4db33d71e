// What OpenAI-compatible servers answer, as events.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/logprobs.hpp"
#include "dialect/openai_answer.hpp"
#include "dialect/openai_pieces.hpp"
#include "dialect/provider_error.hpp"
#include "dialect/whole_reader.hpp"
#include "net/sse.hpp"

namespace nova::dialect::openai {
namespace {

FinishReason reason_from(std::string_view word) {
    if (word == "stop" || word == "eos" || word == "end_turn") {
        return FinishReason::stop;
    }
    if (word == "length" || word == "max_tokens") {
        return FinishReason::length;
    }
    if (word == "tool_calls" || word == "function_call") {
        return FinishReason::tool_calls;
    }
    return word == "content_filter" ? FinishReason::content_filter : FinishReason::other;
}

// Mistral's thinking: a list of pieces of text.
std::string thinking_of(const Tree& pieces) {
    std::string text = text_of(pieces);
    for (std::size_t i = 0; pieces.is_array() && i < pieces.size(); ++i) {
        text += text_of(member(pieces[i], "text"));
    }
    return text;
}

// One answer's state, fed with chunks (delta) or with the whole object (message).
class Assembly {
public:
    void take(const Tree& object, const char* part, std::vector<ChatEvent>& out) {
        if (failed_) {
            return;
        }
        const Tree& error = member(object, "error");
        if (!error.is_null() && error != Tree(false) && error != Tree("")) {
            fail_with(error_from(200, object), out);
            return;
        }
        begin(object, out);
        const Tree& choices = member(object, "choices");
        if (choices.is_array() && !choices.empty()) {  // null and [] are both seen (trap 54)
            take_choice(choices[0], part, out);
        }
        take_usage(member(object, "usage"), out);
    }

    void fail_with(Error error, std::vector<ChatEvent>& out) {
        failed_ = true;
        out.emplace_back(Failed{std::move(error)});
    }

    bool finished() const { return finished_; }

    bool failed() const { return failed_; }

private:
    void begin(const Tree& object, std::vector<ChatEvent>& out) {
        if (begun_) {
            return;
        }
        begun_ = true;
        const Tree& created = member(object, "created");
        out.emplace_back(Begun{
            .id = text_of(member(object, "id")),
            .model = text_of(member(object, "model")),
            .created = created.is_number_integer() ? created.get<std::int64_t>() : 0,
        });
    }

    void take_choice(const Tree& choice, const char* part, std::vector<ChatEvent>& out) {
        const Tree& delta = member(choice, part);
        std::string reasoning = text_of(member(delta, "reasoning_content"));
        if (reasoning.empty()) {
            reasoning = text_of(member(delta, "reasoning"));
        }
        if (!reasoning.empty()) {
            out.emplace_back(ReasoningDelta{.text = std::move(reasoning), .signature = {}});
        }
        take_details(member(delta, "reasoning_details"), out);
        const Tree& logprobs = member(choice, "logprobs");
        RawJson tokens = logprobs_from(member(logprobs, "content"));
        take_pieces(member(delta, "content"), out);
        if (auto text = text_of(member(delta, "content")); !text.empty() || !tokens.empty()) {
            out.emplace_back(TextDelta{.text = std::move(text), .logprobs = std::move(tokens)});
        }
        if (auto text = text_of(member(choice, "text")); !text.empty()) {  // of a text_completion
            out.emplace_back(
                TextDelta{.text = std::move(text), .logprobs = logprobs_from_text(logprobs)}
            );
        }
        if (auto text = text_of(member(delta, "refusal")); !text.empty()) {
            out.emplace_back(RefusalDelta{std::move(text)});
        }
        const Tree& calls = member(delta, "tool_calls");
        for (std::size_t i = 0; calls.is_array() && i < calls.size(); ++i) {
            take_call(calls[i], out);
        }
        if (const Tree& reason = member(choice, "finish_reason"); reason.is_string()) {
            finish(reason.get<std::string>(), out);
        }
    }

    // Models of Mistral that think send a list: thinking and text, each with its type.
    static void take_pieces(const Tree& content, std::vector<ChatEvent>& out) {
        for (std::size_t i = 0; content.is_array() && i < content.size(); ++i) {
            const std::string type = text_of(member(content[i], "type"));
            std::string thinking = thinking_of(member(content[i], "thinking"));
            std::string text = text_of(member(content[i], "text"));
            if (type == "thinking" && !thinking.empty()) {
                out.emplace_back(ReasoningDelta{.text = std::move(thinking), .signature = {}});
            } else if (type == "text" && !text.empty()) {
                out.emplace_back(TextDelta{.text = std::move(text)});
            }
        }
    }

    // OpenRouter's way to say what Anthropic proves of its thinking; the text has been said.
    static void take_details(const Tree& details, std::vector<ChatEvent>& out) {
        for (const Thought& thought : thoughts_from(details)) {
            out.emplace_back(ReasoningDelta{
                .text = {}, .signature = thought.signature, .redacted = thought.redacted
            });
        }
    }

    struct Call {
        std::int64_t upstream_index = 0;
        std::string id;
    };

    void take_call(const Tree& value, std::vector<ChatEvent>& out) {
        const Tree& function = member(value, "function");
        const std::string id = text_of(member(value, "id"));
        const std::string name = text_of(member(function, "name"));
        const Tree& index = member(value, "index");
        const std::int64_t place = index.is_number_integer() ? index.get<std::int64_t>() : -1;
        const std::uint32_t own = own_index(place, id, name);
        if (own == calls_.size()) {
            const std::string made = id.empty() ? fmt::format("call_{}", own) : id;
            calls_.push_back(Call{.upstream_index = place, .id = id});
            out.emplace_back(ToolCallBegun{.index = own, .id = made, .name = name});
        }
        const Tree& arguments = member(function, "arguments");
        std::string text = arguments.is_string() ? arguments.get<std::string>()
                           : arguments.is_null() ? std::string{}
                                                 : raw_text(arguments);
        if (!text.empty()) {
            out.emplace_back(ToolArgumentsDelta{.index = own, .json = std::move(text)});
        }
    }

    // The call a fragment belongs to. A new id opens a new call even where the index is repeated or
    // left out (trap 49).
    std::uint32_t
    own_index(std::int64_t place, const std::string& id, const std::string& name) const {
        const auto last = static_cast<std::uint32_t>(calls_.size());
        for (std::uint32_t i = last; i > 0; --i) {
            const Call& call = calls_[i - 1];
            const bool same_id = id.empty() || call.id == id;
            const bool same_place = place < 0 || call.upstream_index == place;
            if (same_id && same_place && !(id.empty() && place < 0 && !name.empty())) {
                return i - 1;
            }
        }
        return last;
    }

    void finish(std::string word, std::vector<ChatEvent>& out) {
        if (finished_) {
            return;
        }
        finished_ = true;
        FinishReason reason = reason_from(word);
        if (reason == FinishReason::stop && !calls_.empty()) {
            reason = FinishReason::tool_calls;  // trap 50
        }
        out.emplace_back(Finished{.reason = reason, .stop_sequence = {}, .raw = std::move(word)});
    }

    static void take_usage(const Tree& usage, std::vector<ChatEvent>& out) {
        if (!usage.is_object()) {
            return;
        }
        out.emplace_back(Usage{
            .prompt = count_in(usage, "prompt_tokens"),
            .completion = count_in(usage, "completion_tokens"),
            .cached = count_in(member(usage, "prompt_tokens_details"), "cached_tokens"),
            .cache_write = std::nullopt,
            .reasoning = count_in(member(usage, "completion_tokens_details"), "reasoning_tokens"),
        });
    }

    bool begun_ = false;
    bool finished_ = false;
    bool failed_ = false;
    std::vector<Call> calls_;
};

class StreamReader final : public AnswerReader {
public:
    void feed(std::string_view bytes, std::vector<ChatEvent>& out) override {
        if (assembly_.failed() || done_) {
            return;
        }
        if (!parser_.feed(bytes)) {
            assembly_.fail_with(broken("sent an event that is too large"), out);
            return;
        }
        while (auto event = parser_.next()) {
            take(*event, out);
            if (assembly_.failed() || done_) {
                return;
            }
        }
    }

    void end(std::vector<ChatEvent>& out) override {
        if (!assembly_.failed() && !assembly_.finished()) {
            assembly_.fail_with(broken("ended its answer before it was complete"), out);
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
        if (event.data.starts_with("[DONE]")) {
            done_ = true;
            if (!assembly_.finished()) {
                assembly_.fail_with(broken("ended its answer without a finish reason"), out);
            }
            return;
        }
        const auto objects = parse_objects(event.data);
        if (objects.empty()) {
            const std::string_view what =
                event.event == "error" ? "reported an error" : "sent an event that is not JSON";
            assembly_.fail_with(broken(what), out);
            return;
        }
        for (const Tree& object : objects) {
            assembly_.take(object, "delta", out);
        }
    }

    net::SseParser parser_;
    Assembly assembly_;
    bool done_ = false;
};

void take_whole(const Tree& object, std::vector<ChatEvent>& out) {
    Assembly assembly;
    assembly.take(object, "message", out);
    if (!assembly.failed() && !assembly.finished()) {
        assembly.fail_with(broken("answered without a choice"), out);
    }
}

}  // namespace

std::unique_ptr<AnswerReader> reader(bool stream) {
    if (stream) {
        return std::make_unique<StreamReader>();
    }
    return whole_reader(take_whole);
}

}  // namespace nova::dialect::openai

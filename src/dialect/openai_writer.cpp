// Events as answers of OpenAI's chat completions.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/logprobs.hpp"
#include "dialect/openai_answer.hpp"
#include "dialect/openai_pieces.hpp"
#include "dialect/provider_error.hpp"
#include "dialect/whole_writer.hpp"
#include "net/sse.hpp"

namespace nova::dialect::openai {
namespace {

Tree logprobs_json(const Tree& list) {
    if (list.empty()) {
        return nullptr;
    }
    Tree out = Tree::object();
    out["content"] = list;
    out["refusal"] = nullptr;
    return out;
}

// The same id, model and time in every chunk (trap 56), the client's name for the model (trap 71).
class StreamWriter final : public AnswerWriter {
public:
    explicit StreamWriter(AnswerIdentity identity) : identity_{std::move(identity)} {}

    std::string_view content_type() const override { return "text/event-stream"; }

    void write(const ChatEvent& event, std::string& out) override {
        if (failed_) {
            return;
        }
        std::visit(
            Overloaded{
                [&](const Begun& begun) { open(begun, out); },
                [&](const TextDelta& text) {
                    delta("content", Tree(text.text), out, tree_of(text.logprobs));
                },
                [&](const ReasoningDelta& piece) { think(piece, out); },
                [&](const RefusalDelta& text) { delta("refusal", Tree(text.text), out); },
                [&](const ToolCallBegun& call) { begin_call(call, out); },
                [&](const ToolArgumentsDelta& piece) { add_arguments(piece, out); },
                [&](const Finished& finished) { finish(finished, out); },
                [&](const Usage& usage) { merge(usage_.emplace(usage_.value_or(Usage{})), usage); },
                [&](const Failed& failed) {
                    failed_ = true;
                    out += write_error_event(failed.error);
                },
                [&](const KeepAlive&) { out += net::sse_comment("keep-alive"); },
            },
            event
        );
    }

    void end(std::string& out) override {
        if (failed_) {
            return;
        }
        if (identity_.include_usage && usage_) {
            Tree chunk = shell();
            chunk["choices"] = Tree::array();
            chunk["usage"] = usage_json(*usage_);
            send(chunk, out);
        }
        out += "data: [DONE]\n\n";
    }

private:
    Tree shell() const {
        Tree chunk = Tree::object();
        chunk["id"] = identity_.id;
        chunk["object"] = "chat.completion.chunk";
        chunk["created"] = identity_.created;
        chunk["model"] = identity_.model;
        return chunk;
    }

    static void send(const Tree& chunk, std::string& out) {
        out += "data: ";
        out += raw_text(chunk);
        out += "\n\n";
    }

    void choice(Tree delta, Tree reason, std::string& out, const Tree& logprobs = {}) const {
        Tree chunk = shell();
        Tree choice = Tree::object();
        choice["index"] = 0;
        choice["delta"] = std::move(delta);
        choice["logprobs"] = logprobs_json(logprobs);
        choice["finish_reason"] = std::move(reason);
        chunk["choices"].push_back(std::move(choice));
        if (identity_.include_usage) {
            chunk["usage"] = nullptr;
        }
        send(chunk, out);
    }

    void open(const Begun& begun, std::string& out) {
        if (opened_) {
            return;
        }
        opened_ = true;
        if (!begun.id.empty()) {
            identity_.id = begun.id;
        }
        if (begun.created != 0) {
            identity_.created = begun.created;
        }
        Tree delta = Tree::object();
        delta["role"] = "assistant";  // trap 55
        delta["content"] = "";
        choice(std::move(delta), nullptr, out);
    }

    void delta(const char* key, Tree value, std::string& out, const Tree& logprobs = {}) {
        open({}, out);
        Tree delta = Tree::object();
        delta[key] = std::move(value);
        choice(std::move(delta), nullptr, out, logprobs);
    }

    // The proof of a piece comes at its end, with all of what it proves: a client gives it back as
    // it is.
    void think(const ReasoningDelta& piece, std::string& out) {
        if (!piece.text.empty()) {
            thought_.text += piece.text;
            delta("reasoning_content", Tree(piece.text), out);
        }
        if (!piece.signature.empty() || !piece.redacted.empty()) {
            thought_.signature = piece.signature;
            thought_.redacted = piece.redacted;
            delta("reasoning_details", details_json({std::exchange(thought_, {})}), out);
        }
    }

    void call_piece(Tree piece, std::string& out) {
        Tree calls = Tree::array();
        calls.push_back(std::move(piece));
        delta("tool_calls", std::move(calls), out);
    }

    void begin_call(const ToolCallBegun& call, std::string& out) {
        Tree piece = Tree::object();
        piece["index"] = call.index;
        piece["id"] = call.id;
        piece["type"] = "function";
        piece["function"]["name"] = call.name;
        piece["function"]["arguments"] = "";
        call_piece(std::move(piece), out);
    }

    void add_arguments(const ToolArgumentsDelta& arguments, std::string& out) {
        Tree piece = Tree::object();
        piece["index"] = arguments.index;
        piece["function"]["arguments"] = arguments.json;
        call_piece(std::move(piece), out);
    }

    void finish(const Finished& finished, std::string& out) {
        open({}, out);
        choice(Tree::object(), Tree(finish_word(finished.reason)), out);
    }

    AnswerIdentity identity_;
    std::optional<Usage> usage_;
    Thought thought_;  // not proven yet
    bool opened_ = false;
    bool failed_ = false;
};

Tree message_json(const WholeAnswer& whole) {
    Tree message = Tree::object();
    message["role"] = "assistant";
    message["content"] = whole.text.empty() && !whole.calls.empty() ? Tree{} : Tree(whole.text);
    message["refusal"] = whole.refusal.empty() ? Tree{} : Tree(whole.refusal);
    if (!whole.reasoning.empty()) {
        message["reasoning_content"] = whole.reasoning;
    }
    if (Tree details = details_json(whole.thoughts); !details.empty()) {
        message["reasoning_details"] = std::move(details);
    }
    for (const ToolCall& call : whole.calls) {
        Tree item = Tree::object();
        item["id"] = call.id;
        item["type"] = "function";
        item["function"]["name"] = call.name;
        item["function"]["arguments"] = call.arguments.empty() ? "{}" : call.arguments;
        message["tool_calls"].push_back(std::move(item));
    }
    return message;
}

std::string whole_body(const AnswerIdentity& identity, const WholeAnswer& whole) {
    Tree answer = Tree::object();
    answer["id"] = identity.id;
    answer["object"] = "chat.completion";
    answer["created"] = identity.created;
    answer["model"] = identity.model;
    Tree choice = Tree::object();
    choice["index"] = 0;
    choice["message"] = message_json(whole);
    choice["logprobs"] = logprobs_json(logprobs_list(whole.logprobs));
    choice["finish_reason"] = finish_word(whole.reason());
    answer["choices"].push_back(std::move(choice));
    answer["usage"] = usage_json(whole.usage);
    return raw_text(answer);
}

}  // namespace

std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) {
    if (stream) {
        return std::make_unique<StreamWriter>(std::move(identity));
    }
    return whole_writer(std::move(identity), whole_body, write_error);
}

Error read_error(int status, std::string_view body) {
    return error_from_body(status, body);
}

std::string write_error(const Error& error) {
    Tree inner = Tree::object();
    inner["message"] = error.remedy.empty() ? error.message : error.message + " " + error.remedy;
    inner["type"] = policy(error.code).openai_type;
    inner["param"] = nullptr;
    inner["code"] = error.name();
    Tree body = Tree::object();
    body["error"] = std::move(inner);
    return raw_text(body);
}

std::string write_error_event(const Error& error) {
    return net::sse_event({}, write_error(error));
}

}  // namespace nova::dialect::openai

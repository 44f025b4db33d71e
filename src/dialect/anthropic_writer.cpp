// Events as answers of Anthropic's messages API.
#include <deque>

#include <nlohmann/json.hpp>

#include "dialect/anthropic_answer.hpp"
#include "dialect/anthropic_turns.hpp"
#include "dialect/json_text.hpp"
#include "dialect/whole_writer.hpp"
#include "net/sse.hpp"

namespace nova::dialect::anthropic {
namespace {

std::string_view word(FinishReason reason) {
    switch (reason) {
    case FinishReason::stop:
    case FinishReason::other:
        return "end_turn";  // closed enums in clients: nothing else is known
    case FinishReason::length:
        return "max_tokens";
    case FinishReason::tool_calls:
        return "tool_use";
    case FinishReason::content_filter:
    case FinishReason::refusal:
        return "refusal";
    }
    return "end_turn";
}

// Anthropic's type of error, by what nova's kinds mean.
std::string_view error_type(ErrorCode code) {
    switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::conflict:
    case ErrorCode::unprocessable:
    case ErrorCode::unsupported:
    case ErrorCode::cancelled:
    case ErrorCode::precondition:
        return "invalid_request_error";
    case ErrorCode::unauthorized:
        return "authentication_error";
    case ErrorCode::forbidden:
        return "permission_error";
    case ErrorCode::not_found:
        return "not_found_error";
    case ErrorCode::too_large:
        return "request_too_large";
    case ErrorCode::rate_limited:
        return "rate_limit_error";
    case ErrorCode::budget:
        return "billing_error";
    case ErrorCode::timeout:
        return "timeout_error";
    case ErrorCode::exhausted:
    case ErrorCode::unavailable:
        return "overloaded_error";
    case ErrorCode::upstream_failed:
    case ErrorCode::runtime_failed:
    case ErrorCode::corrupt:
    case ErrorCode::internal:
        return "api_error";
    }
    return "api_error";
}

// A stop sequence is a reason of its own; a refusal in words is one whatever the upstream says.
void put_reason(Tree& out, const Finished& finished, bool refused) {
    const bool at_sequence =
        !finished.stop_sequence.empty() && finished.reason == FinishReason::stop;
    std::string_view reason = at_sequence ? "stop_sequence" : word(finished.reason);
    if (refused && finished.reason == FinishReason::stop) {
        reason = "refusal";
    }
    out["stop_reason"] = reason;
    out["stop_sequence"] = at_sequence ? Tree(finished.stop_sequence) : Tree{};
}

// input_tokens without what came from the cache or went into it (trap 66).
Tree usage_json(const Usage& usage) {
    const std::uint64_t aside = usage.cached.value_or(0) + usage.cache_write.value_or(0);
    const std::uint64_t prompt = usage.prompt.value_or(0);
    Tree out = Tree::object();
    out["input_tokens"] = prompt > aside ? prompt - aside : 0;
    if (usage.cache_write) {
        out["cache_creation_input_tokens"] = *usage.cache_write;
    }
    if (usage.cached) {
        out["cache_read_input_tokens"] = *usage.cached;
    }
    out["output_tokens"] = usage.completion.value_or(0);
    return out;
}

// Ids of messages look alike in this dialect.
std::string message_id(std::string_view id) {
    if (id.starts_with("msg_")) {
        return std::string{id};
    }
    const std::size_t mark = id.starts_with("chatcmpl-") ? 9 : 0;
    return "msg_" + std::string{id.substr(mark)};
}

Tree message_json(const AnswerIdentity& identity, const std::string& id) {
    Tree out = Tree::object();
    out["id"] = message_id(id.empty() ? identity.id : id);
    out["type"] = "message";
    out["role"] = "assistant";
    out["model"] = identity.model;
    out["content"] = Tree::array();
    out["stop_reason"] = nullptr;
    out["stop_sequence"] = nullptr;
    return out;
}

bool is_whole(std::string_view json) {
    const auto tree = parse_tree(json, "arguments");
    return tree && tree->is_object();
}

// Blocks follow one another. Where an upstream begins a call before the one that is open is whole,
// the later one waits here until the calls are over.
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
                [&](const Begun& begun) { start(begun.id, out); },
                [&](const TextDelta& text) {
                    if (!text.text.empty()) {
                        add_text(text.text, out);
                    }
                },
                [&](const ReasoningDelta& thought) { add_thought(thought, out); },
                [&](const RefusalDelta& refusal) {
                    refused_ = true;
                    add_text(refusal.text, out);
                },
                [&](const ToolCallBegun& call) { begin_call(call, out); },
                [&](const ToolArgumentsDelta& piece) { add_arguments(piece, out); },
                [&](const Finished& finished) {
                    start({}, out);
                    close_all(out);
                    finished_ = finished;
                },
                [&](const Usage& usage) { merge(usage_, usage); },
                [&](const Failed& failed) {
                    failed_ = true;
                    out += write_error_event(failed.error);
                },
                [&](const KeepAlive&) { send("ping", Tree::object(), out); },
            },
            event
        );
    }

    void end(std::string& out) override {
        if (failed_ || !finished_) {
            return;
        }
        Tree event = Tree::object();
        put_reason(event["delta"], *finished_, refused_);
        event["usage"] = usage_json(usage_);
        send("message_delta", std::move(event), out);
        send("message_stop", Tree::object(), out);
    }

private:
    enum class Open : std::uint8_t { none, text, thought, redacted, call };

    struct Call {
        std::uint32_t index = 0;  // among calls
        std::size_t block = 0;    // among blocks
        std::string id{};
        std::string name{};
        std::string arguments{};  // all of them so far
    };

    static void send(std::string_view name, Tree members, std::string& out) {
        Tree event = Tree::object();
        event["type"] = name;
        event.update(members);
        out += net::sse_event(name, raw_text(event));
    }

    void start(const std::string& id, std::string& out) {
        if (started_) {
            return;
        }
        started_ = true;
        Tree event = Tree::object();
        event["message"] = message_json(identity_, id);
        event["message"]["usage"] = usage_json(usage_);
        send("message_start", std::move(event), out);
    }

    void open(Open kind, Tree block, std::string& out) {
        start({}, out);
        open_ = kind;
        Tree event = Tree::object();
        event["index"] = block_;
        event["content_block"] = std::move(block);
        send("content_block_start", std::move(event), out);
    }

    void close(std::string& out) {
        if (open_ == Open::none) {
            return;
        }
        open_ = Open::none;
        Tree event = Tree::object();
        event["index"] = block_++;
        send("content_block_stop", std::move(event), out);
    }

    static void delta(
        std::size_t block, std::string_view type, std::string_view key, std::string_view value,
        std::string& out
    ) {
        Tree event = Tree::object();
        event["index"] = block;
        event["delta"]["type"] = type;
        event["delta"][std::string{key}] = value;
        send("content_block_delta", std::move(event), out);
    }

    void close_all(std::string& out) {
        close(out);
        for (; !waiting_.empty(); waiting_.pop_front()) {
            open_call(std::move(waiting_.front()), out);
            close(out);
        }
    }

    void add_text(const std::string& text, std::string& out) {
        if (open_ != Open::text) {
            close_all(out);
            Tree block = Tree::object();
            block["type"] = "text";
            block["text"] = "";
            open(Open::text, std::move(block), out);
        }
        delta(block_, "text_delta", "text", text, out);
    }

    void add_thought(const ReasoningDelta& thought, std::string& out) {
        if (!thought.redacted.empty()) {
            close_all(out);
            Tree block = Tree::object();
            block["type"] = "redacted_thinking";
            block["data"] = thought.redacted;
            open(Open::redacted, std::move(block), out);
            close(out);
            return;
        }
        if (thought.text.empty() && thought.signature.empty()) {
            return;
        }
        if (open_ != Open::thought) {
            close_all(out);
            Tree block = Tree::object();
            block["type"] = "thinking";
            block["thinking"] = "";
            block["signature"] = "";
            open(Open::thought, std::move(block), out);
        }
        if (!thought.text.empty()) {
            delta(block_, "thinking_delta", "thinking", thought.text, out);
        }
        if (!thought.signature.empty()) {
            delta(block_, "signature_delta", "signature", thought.signature, out);
            close(out);  // what is thought next is a block of its own
        }
    }

    void begin_call(const ToolCallBegun& begun, std::string& out) {
        Call call{.index = begun.index, .id = begun.id, .name = begun.name};
        if (open_ == Open::call && (!waiting_.empty() || !is_whole(calls_.back().arguments))) {
            waiting_.push_back(std::move(call));
            return;
        }
        close(out);
        open_call(std::move(call), out);
    }

    void open_call(Call call, std::string& out) {
        call.block = block_;
        Tree block = Tree::object();
        block["type"] = "tool_use";
        block["id"] = call.id;
        block["name"] = call.name;
        block["input"] = Tree::object();
        open(Open::call, std::move(block), out);
        if (!call.arguments.empty()) {
            delta(block_, "input_json_delta", "partial_json", call.arguments, out);
        }
        calls_.push_back(std::move(call));
    }

    // Goes to its own block, also where that has ended: clients find a block by its index.
    void add_arguments(const ToolArgumentsDelta& piece, std::string& out) {
        for (Call& call : waiting_) {
            if (call.index == piece.index) {
                call.arguments += piece.json;
                return;
            }
        }
        for (Call& call : calls_) {
            if (call.index == piece.index) {
                call.arguments += piece.json;
                delta(call.block, "input_json_delta", "partial_json", piece.json, out);
            }
        }
    }

    AnswerIdentity identity_;
    Usage usage_;
    std::optional<Finished> finished_;
    std::vector<Call> calls_;  // whose blocks have begun
    std::deque<Call> waiting_;
    std::size_t block_ = 0;  // the open one, or the next
    Open open_ = Open::none;
    bool started_ = false;
    bool refused_ = false;
    bool failed_ = false;
};

Tree content_json(const WholeAnswer& whole) {
    Tree blocks = Tree::array();
    for (const Thought& thought : whole.thoughts) {
        blocks.push_back(thought_block(thought));
    }
    if (const std::string text = whole.text + whole.refusal; !text.empty()) {
        Tree block = Tree::object();
        block["type"] = "text";
        block["text"] = text;
        blocks.push_back(std::move(block));
    }
    for (const ToolCall& call : whole.calls) {
        Tree block = Tree::object();
        block["type"] = "tool_use";
        block["id"] = call.id;
        block["name"] = call.name;
        block["input"] = input_of(call.arguments);
        blocks.push_back(std::move(block));
    }
    return blocks;
}

std::string whole_body(const AnswerIdentity& identity, const WholeAnswer& whole) {
    Tree message = message_json(identity, whole.id);
    message["content"] = content_json(whole);
    put_reason(message, whole.finished.value_or(Finished{}), !whole.refusal.empty());
    message["usage"] = usage_json(whole.usage);
    return raw_text(message);
}

}  // namespace

std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) {
    if (stream) {
        return std::make_unique<StreamWriter>(std::move(identity));
    }
    return whole_writer(std::move(identity), whole_body, write_error);
}

std::string write_error(const Error& error) {
    Tree body = Tree::object();
    body["type"] = "error";
    body["error"]["type"] = error_type(error.code);
    body["error"]["message"] =
        error.remedy.empty() ? error.message : error.message + " " + error.remedy;
    return raw_text(body);
}

std::string write_error_event(const Error& error) {
    return net::sse_event("error", write_error(error));
}

}  // namespace nova::dialect::anthropic

// OpenAI's older completions.
#include "dialect/openai_text.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/logprobs.hpp"
#include "dialect/openai_answer.hpp"
#include "dialect/openai_base.hpp"
#include "dialect/openai_pieces.hpp"
#include "dialect/provider_view.hpp"
#include "dialect/whole_writer.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

std::unexpected<Error> untranslatable(std::string what) {
    return fail(
        ErrorCode::unprocessable, fmt::format("{} cannot be translated for this provider.", what),
        "Send it to a provider that speaks OpenAI's dialect, or send requests one by one."
    );
}

Result<std::string> read_prompt(const Tree* prompt) {
    if (prompt == nullptr) {
        return fail(ErrorCode::invalid_argument, "prompt is missing.");
    }
    if (prompt->is_string()) {
        return prompt->get<std::string>();
    }
    if (!prompt->is_array() || prompt->empty()) {
        return fail(ErrorCode::invalid_argument, "prompt must be a string or a list of strings.");
    }
    const bool texts =
        std::ranges::all_of(*prompt, [](const Tree& value) { return value.is_string(); });
    if (!texts) {
        return untranslatable("prompt as token numbers");
    }
    if (prompt->size() > 1) {
        return untranslatable("prompt with several texts");
    }
    return prompt->front().get<std::string>();
}

// n and best_of are fine where they ask for one, echo where it is off.
Result<void> refuse_untranslatable(Members& members) {
    for (const char* key : {"n", "best_of"}) {
        if (const auto number = members.integer(key); number && *number != 1) {
            return untranslatable(fmt::format("{}: {}", key, *number));
        }
    }
    if (members.boolean("echo").value_or(false)) {
        return untranslatable("echo");
    }
    return {};
}

Result<ChatRequest> read_text_request(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    ChatRequest request;
    request.model = members.required_text("model");
    request.completion = true;
    request.raw = true;
    request.suffix = members.text("suffix").value_or("");
    openai::read_stream(members, request);
    openai::read_sampling(members, request);
    openai::read_stop(members, request);
    request.logprobs = members.integer("logprobs");
    request.user = members.text("user");
    if (const auto refused = refuse_untranslatable(members); !refused) {
        return propagate(refused);
    }
    const Tree* const prompt = members.any("prompt");
    if (members.error()) {
        return fail(*members.error());
    }
    auto text = read_prompt(prompt);
    if (!text) {
        return propagate(text);
    }
    Message& message = request.messages.emplace_back();
    message.content.push_back(Part{.kind = Part::Kind::text, .text = std::move(*text)});
    request.extra = members.rest();
    return request;
}

Result<std::string> write_text_request(const ChatRequest& request, const WriteOptions& options) {
    std::string prompt;
    for (const Message& message : request.messages) {
        for (const Part& part : message.content) {
            if (part.kind != Part::Kind::text) {
                return fail(
                    ErrorCode::unprocessable, "A completion takes text, no images and no files."
                );
            }
            prompt += (prompt.empty() ? "" : "\n") + part.text;
        }
    }
    Tree out = Tree::object();
    out["model"] = options.model.empty() ? request.model : options.model;
    out["prompt"] = std::move(prompt);
    if (!request.suffix.empty()) {
        out["suffix"] = request.suffix;
    }
    openai::put_stream(out, request, options);
    openai::put_sampling(out, request, "max_tokens");
    put(out, "logprobs", request.logprobs);
    put(out, "user", request.user);
    openai::put_extra(out, request);
    openai::apply_options(out, options);
    return raw_text(out);
}

Tree shell(const AnswerIdentity& identity) {
    Tree out = Tree::object();
    out["id"] = identity.id;
    out["object"] = "text_completion";
    out["created"] = identity.created;
    out["model"] = identity.model;
    return out;
}

Tree choice(std::string_view text, Tree reason, const Tree& logprobs = {}) {
    Tree out = Tree::object();
    out["text"] = text;
    out["index"] = 0;
    out["logprobs"] = logprobs.empty() ? Tree(nullptr) : text_logprobs(logprobs);
    out["finish_reason"] = std::move(reason);
    return out;
}

// What a completion has no word for (thinking, tool calls) is left out.
class TextStreamWriter final : public AnswerWriter {
public:
    explicit TextStreamWriter(AnswerIdentity identity) : identity_{std::move(identity)} {}

    std::string_view content_type() const override { return "text/event-stream"; }

    void write(const ChatEvent& event, std::string& out) override {
        if (answer_.error) {
            return;
        }
        std::visit(
            Overloaded{
                [&](const Begun& begun) {
                    identity_.id = begun.id.empty() ? identity_.id : begun.id;
                    identity_.created = begun.created == 0 ? identity_.created : begun.created;
                },
                [&](const TextDelta& piece) {
                    send(choice(piece.text, nullptr, tree_of(piece.logprobs)), out);
                },
                [&](const RefusalDelta& piece) { send(choice(piece.text, nullptr), out); },
                [&](const Finished& finished) {
                    send(choice({}, openai::finish_word(finished.reason)), out);
                },
                [&](const Failed& failed) {
                    answer_.error = failed.error;
                    out += openai::write_error_event(failed.error);
                },
                [&](const KeepAlive&) { out += net::sse_comment("keep-alive"); },
                [&](const auto& other) { answer_.take(other); },
            },
            event
        );
    }

    void end(std::string& out) override {
        if (answer_.error) {
            return;
        }
        const Usage& usage = answer_.usage;
        if (identity_.include_usage && (usage.prompt || usage.completion)) {
            Tree chunk = shell(identity_);
            chunk["choices"] = Tree::array();
            chunk["usage"] = openai::usage_json(usage);
            out += net::sse_event({}, raw_text(chunk));
        }
        out += "data: [DONE]\n\n";
    }

private:
    void send(Tree choice, std::string& out) const {
        Tree chunk = shell(identity_);
        chunk["choices"].push_back(std::move(choice));
        if (identity_.include_usage) {
            chunk["usage"] = nullptr;
        }
        out += net::sse_event({}, raw_text(chunk));
    }

    AnswerIdentity identity_;
    WholeAnswer answer_;
};

std::string whole_body(const AnswerIdentity& identity, const WholeAnswer& whole) {
    Tree body = shell(identity);
    body["choices"].push_back(choice(
        whole.text + whole.refusal, openai::finish_word(whole.reason()),
        logprobs_list(whole.logprobs)
    ));
    body["usage"] = openai::usage_json(whole.usage);
    return raw_text(body);
}

class OpenAiTextCodec final : public openai::CodecBase {
public:
    Result<ChatRequest> read_request(std::string_view body) const override {
        return read_text_request(body);
    }

    Result<std::string>
    write_request(const ChatRequest& request, const WriteOptions& options) const override {
        return write_text_request(request, options);
    }

    std::vector<std::string>
    left_out(const ChatRequest& request, const WriteOptions& options) const override {
        auto view = provider_view(request, options, Dialect::openai_text);
        if (!view) {
            return {};
        }
        for (const char* name : {"num_ctx", "keep_alive", "response_format", "reasoning_effort"}) {
            leave_out(*view, name);
        }
        return std::move(view->dropped);
    }

    std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) const override {
        if (stream) {
            return std::make_unique<TextStreamWriter>(std::move(identity));
        }
        return whole_writer(std::move(identity), whole_body, openai::write_error);
    }
};

}  // namespace

const Codec& openai_text_codec() {
    static const OpenAiTextCodec codec;
    return codec;
}

}  // namespace nova::dialect

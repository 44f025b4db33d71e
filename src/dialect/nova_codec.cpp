// The first Nova's dialect. Shapes: reference/original.md 1.2 and 1.4.
#include "dialect/nova_codec.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/openai_embed.hpp"
#include "dialect/openai_pieces.hpp"
#include "dialect/provider_error.hpp"
#include "dialect/whole_writer.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

constexpr double kDefaultTemperature = 0.7;  // of the first Nova's contract

Result<ToolCall> read_call(const Tree& value, const std::string& path) {
    Members members{value, path};
    ToolCall call;
    call.id = members.text("id").value_or("");
    call.name = members.required_text("name");
    call.arguments = arguments_text(members.any("arguments"));
    if (members.error()) {
        return fail(*members.error());
    }
    return call;
}

Result<Part> read_part(const Tree& value, const std::string& path) {
    Members members{value, path};
    const std::string type = members.required_text("type");
    Part part;
    if (type == "text") {
        part.text = members.text("text").value_or("");
    } else if (type == "image_url") {
        part.kind = Part::Kind::image;
        const Tree* image = members.object("image_url");
        const std::string url = image == nullptr ? "" : text_of(member(*image, "url"));
        if (url.empty()) {
            members.complain("image_url", "must hold a url.");
        }
        part.image = openai::image_from(url, {});
    } else {
        members.complain("type", "must be text or image_url.");
    }
    if (members.error()) {
        return fail(*members.error());
    }
    return part;
}

std::optional<Role> role_from(std::string_view word) {
    if (word == "system") {
        return Role::system;
    }
    if (word == "user") {
        return Role::user;
    }
    if (word == "assistant") {
        return Role::assistant;
    }
    return word == "tool" ? std::optional{Role::tool} : std::nullopt;
}

Result<void> read_content(const Tree* content, const std::string& path, Message& message) {
    if (content == nullptr) {
        return {};
    }
    if (content->is_string()) {
        message.content.push_back(
            Part{.kind = Part::Kind::text, .text = content->get<std::string>()}
        );
        return {};
    }
    if (!content->is_array()) {
        return fail(ErrorCode::invalid_argument, path + " must be a string or a list of parts.");
    }
    for (std::size_t i = 0; i < content->size(); ++i) {
        auto part = read_part((*content)[i], fmt::format("{}[{}]", path, i));
        if (!part) {
            return propagate(part);
        }
        message.content.push_back(std::move(*part));
    }
    return {};
}

Result<Message> read_message(const Tree& value, const std::string& path) {
    Members members{value, path};
    Message message;
    const auto role = role_from(members.required_text("role"));
    if (!role) {
        members.complain("role", "must be system, user, assistant or tool.");
    }
    message.role = role.value_or(Role::user);
    message.name = members.text("name").value_or("");
    message.tool_call_id = members.text("tool_call_id").value_or("");
    const Tree* const content = members.any("content");
    const Tree* const calls = members.array("tool_calls");
    if (members.error()) {
        return fail(*members.error());
    }
    if (const auto read = read_content(content, path + ".content", message); !read) {
        return propagate(read);
    }
    for (std::size_t i = 0; calls != nullptr && i < calls->size(); ++i) {
        auto call = read_call((*calls)[i], fmt::format("{}.tool_calls[{}]", path, i));
        if (!call) {
            return propagate(call);
        }
        message.tool_calls.push_back(std::move(*call));
    }
    return message;
}

Result<void> read_tools(Members& members, ChatRequest& request) {
    const Tree* tools = members.array("tools");
    for (std::size_t i = 0; tools != nullptr && i < tools->size(); ++i) {
        Members inner{(*tools)[i], fmt::format("tools[{}]", i)};
        Tool tool;
        tool.name = inner.required_text("name");
        tool.description = inner.text("description").value_or("");
        if (const Tree* parameters = inner.object("parameters")) {
            tool.parameters = raw_text(*parameters);
        }
        if (inner.error()) {
            return fail(*inner.error());
        }
        request.tools.push_back(std::move(tool));
    }
    return {};
}

Result<ChatRequest> read_complete(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    ChatRequest request;
    request.model = members.text("model").value_or("");
    const Tree* const messages = members.array("messages");
    if (messages == nullptr || messages->empty()) {
        members.complain("messages", "must be a list with at least one message.");
    }
    request.temperature = members.number("temperature").value_or(kDefaultTemperature);
    request.max_tokens = members.integer("max_tokens");
    request.stream = members.boolean("stream").value_or(false);
    request.include_usage = true;
    (void)members.any("metadata");  // for the first Nova's own ledger
    if (members.error()) {
        return fail(*members.error());
    }
    for (std::size_t i = 0; i < messages->size(); ++i) {
        auto message = read_message((*messages)[i], fmt::format("messages[{}]", i));
        if (!message) {
            return propagate(message);
        }
        request.messages.push_back(std::move(*message));
    }
    if (const auto read = read_tools(members, request); !read) {
        return propagate(read);
    }
    for (const auto& [key, value] : members.rest()) {  // tier, task_type
        request.dropped.push_back(key);
    }
    return request;
}

Tree calls_json(const std::vector<ToolCall>& calls) {
    Tree out = Tree::array();
    for (const ToolCall& call : calls) {
        const auto arguments = parse_tree(call.arguments.empty() ? "{}" : call.arguments, "");
        Tree item = Tree::object();
        item["id"] = call.id;
        item["name"] = call.name;
        // An object, unlike OpenAI's text; what a model wrote that is none stays visible.
        item["arguments"] = arguments && arguments->is_object()
                                ? *arguments
                                : Tree::object({{"text", call.arguments}});
        out.push_back(std::move(item));
    }
    return out;
}

Tree or_null(const std::optional<std::uint64_t>& number) {
    return number ? Tree(*number) : Tree{};
}

Tree sentence(const Error& error) {
    return Tree(error.remedy.empty() ? error.message : error.message + " " + error.remedy);
}

std::string error_event(const Error& error) {
    Tree body = Tree::object();
    body["error"] = sentence(error);
    body["provider"] = "";  // those clients read the member; which one failed is in X-Nova-Route
    return net::sse_event({}, raw_text(body));
}

std::string error_body(const Error& error) {
    Tree body = Tree::object();
    // The one word those clients compare with; else the sentence.
    body["error"] = error.code == ErrorCode::budget ? Tree("budget_exhausted") : sentence(error);
    body["detail"] = sentence(error);
    if (error.code == ErrorCode::budget) {
        body["resets_at"] = nullptr;
    }
    return raw_text(body);
}

// Every member is there, null where it says nothing: Pydantic wrote them so.
Tree chunk(std::string_view delta) {
    Tree out = Tree::object();
    out["delta"] = delta;
    out["tool_calls"] = Tree::array();
    out["finish_reason"] = nullptr;
    out["input_tokens"] = nullptr;
    out["output_tokens"] = nullptr;
    out["cost_usd"] = nullptr;
    return out;
}

// Thinking has no member there and is left out.
class NovaStreamWriter final : public AnswerWriter {
public:
    std::string_view content_type() const override { return "text/event-stream"; }

    void write(const ChatEvent& event, std::string& out) override {
        if (answer_.error) {
            return;
        }
        std::visit(
            Overloaded{
                [&](const TextDelta& piece) { send(chunk(piece.text), out); },
                [&](const RefusalDelta& piece) { send(chunk(piece.text), out); },
                [&](const KeepAlive&) { out += net::sse_comment("keep-alive"); },
                [&](const Failed& failed) {
                    answer_.error = failed.error;
                    out += error_event(failed.error);
                },
                [&](const auto& other) { answer_.take(other); },
            },
            event
        );
    }

    void end(std::string& out) override {
        if (answer_.error) {
            return;
        }
        Tree last = chunk({});
        last["tool_calls"] = calls_json(answer_.calls);
        last["finish_reason"] = openai::finish_word(answer_.reason());
        last["input_tokens"] = or_null(answer_.usage.prompt);
        last["output_tokens"] = or_null(answer_.usage.completion);
        send(last, out);
        out += "data: [DONE]\n\n";
    }

private:
    static void send(const Tree& chunk, std::string& out) {
        out += net::sse_event({}, raw_text(chunk));
    }

    WholeAnswer answer_;
};

std::string whole_body(const AnswerIdentity& identity, const WholeAnswer& whole) {
    Tree body = Tree::object();
    body["content"] = whole.text + whole.refusal;
    body["model"] = identity.model;
    body["tool_calls"] = calls_json(whole.calls);
    body["input_tokens"] = whole.usage.prompt.value_or(0);
    body["output_tokens"] = whole.usage.completion.value_or(0);
    body["cost_usd"] = nullptr;
    body["finish_reason"] = openai::finish_word(whole.reason());
    return raw_text(body);
}

std::unexpected<Error> clients_only() {
    return fail(ErrorCode::unsupported, "No provider speaks the first Nova's dialect.");
}

class NoReader final : public AnswerReader {
public:
    void feed(std::string_view /*bytes*/, std::vector<ChatEvent>& /*out*/) override {}

    void end(std::vector<ChatEvent>& out) override {
        out.emplace_back(Failed{clients_only().error()});
    }
};

class NovaCodec final : public Codec {
public:
    Result<ChatRequest> read_request(std::string_view body) const override {
        return read_complete(body);
    }

    Result<std::string>
    write_request(const ChatRequest& /*request*/, const WriteOptions& /*options*/) const override {
        return clients_only();
    }

    std::unique_ptr<AnswerReader> reader(bool /*stream*/) const override {
        return std::make_unique<NoReader>();
    }

    std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) const override {
        if (stream) {
            return std::make_unique<NovaStreamWriter>();
        }
        return whole_writer(std::move(identity), whole_body, error_body);
    }

    Error read_error(int status, std::string_view body) const override {
        return error_from_body(status, body);
    }

    std::string write_error(const Error& error) const override { return error_body(error); }

    std::string write_error_event(const Error& error) const override { return error_event(error); }

    Result<EmbedRequest> read_embed(std::string_view body) const override {
        const auto tree = parse_tree(body, "The body");
        if (!tree) {
            return propagate(tree);
        }
        Members members{*tree, {}};
        EmbedRequest request;
        request.model = members.text("model").value_or("");
        request.dimensions = members.integer("dimensions");
        const Tree* const texts = members.array("texts");
        if (members.error()) {
            return fail(*members.error());
        }
        if (const auto read = openai::read_inputs(texts, "texts", request); !read) {
            return propagate(read);
        }
        return request;
    }

    Result<std::string>
    write_embed(const EmbedRequest& /*request*/, const WriteOptions& /*options*/) const override {
        return clients_only();
    }

    Result<EmbedAnswer> read_embed_answer(std::string_view /*body*/) const override {
        return clients_only();
    }

    std::string
    write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request) const override {
        Tree out = Tree::object();
        out["embeddings"] = answer.vectors;
        out["model"] = request.model;
        out["input_tokens"] = answer.prompt_tokens.value_or(0);
        return raw_text(out);
    }
};

}  // namespace

const Codec& nova_codec() {
    static const NovaCodec codec;
    return codec;
}

}  // namespace nova::dialect

// What clients of Ollama ask for. Field list: reference/engines-and-tools.md 1.2.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/ollama_request.hpp"
#include "dialect/openai_pieces.hpp"

namespace nova::dialect::ollama {
namespace {

using namespace std::string_view_literals;

std::string lower(std::string text) {
    for (char& c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return text;
}

std::optional<Role> role_from(std::string_view word) {
    constexpr std::array kRoles{
        std::pair{"system"sv, Role::system}, std::pair{"user"sv, Role::user},
        std::pair{"assistant"sv, Role::assistant}, std::pair{"tool"sv, Role::tool}
    };
    const auto* const found =
        std::ranges::find(kRoles, word, &std::pair<std::string_view, Role>::first);
    return found == kRoles.end() ? std::nullopt : std::optional{found->second};
}

// Ollama's images are bare base64, and other dialects want the type: the first bytes tell it.
std::string media_type_of(std::string_view base64) {
    constexpr std::array kStarts{
        std::pair{"/9j/"sv, "image/jpeg"sv}, std::pair{"iVBORw0KGgo"sv, "image/png"sv},
        std::pair{"R0lGOD"sv, "image/gif"sv}, std::pair{"UklGR"sv, "image/webp"sv}
    };
    for (const auto& [start, type] : kStarts) {
        if (base64.starts_with(start)) {
            return std::string{type};
        }
    }
    return "application/octet-stream";
}

Result<void> read_images(Members& members, const std::string& path, std::vector<Part>& into) {
    const Tree* images = members.array("images");
    for (std::size_t i = 0; images != nullptr && i < images->size(); ++i) {
        const Tree& value = (*images)[i];
        if (!value.is_string()) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("{}images[{}] must be a string of base64.", path, i)
            );
        }
        Part part{.kind = Part::Kind::image};
        part.image = openai::image_from(value.get<std::string>(), {});
        if (part.image.base64.empty()) {
            part.image.base64 = std::exchange(part.image.url, {});
            part.image.media_type = media_type_of(part.image.base64);
        }
        into.push_back(std::move(part));
    }
    return {};
}

// Ollama needs no ids, others do: a tool message without one answers the oldest call of its name
// that is still open, or the oldest of all.
class OpenCalls {
public:
    void add(ToolCall& call) {
        if (call.id.empty()) {
            call.id = fmt::format("call_{}", made_++);
        }
        open_.push_back(call);
    }

    void answer(Message& message) {
        const auto found = std::ranges::find_if(open_, [&message](const ToolCall& call) {
            if (!message.tool_call_id.empty()) {
                return call.id == message.tool_call_id;
            }
            return message.name.empty() || call.name == message.name;
        });
        if (found != open_.end()) {
            message.tool_call_id = found->id;
            message.name = found->name;
            open_.erase(found);
        }
    }

private:
    std::vector<ToolCall> open_;
    std::size_t made_ = 0;
};

Result<Message> read_message(const Tree& value, const std::string& path, OpenCalls& open) {
    Members members{value, path};
    Message message;
    const std::string role = lower(members.required_text("role"));
    if (members.error()) {
        return fail(*members.error());
    }
    const auto known = role_from(role);
    if (!known) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{}.role must be system, user, assistant or tool, not `{}`.", path, role)
        );
    }
    message.role = *known;
    if (auto text = members.text("content"); text && !text->empty()) {
        message.content.push_back(Part{.kind = Part::Kind::text, .text = std::move(*text)});
    }
    if (const auto read = read_images(members, path + ".", message.content); !read) {
        return propagate(read);
    }
    message.reasoning = members.text("thinking");
    message.name = members.text("tool_name").value_or("");
    message.tool_call_id = members.text("tool_call_id").value_or("");
    const Tree* calls = members.array("tool_calls");
    for (std::size_t i = 0; calls != nullptr && i < calls->size(); ++i) {
        auto call = openai::read_call((*calls)[i], fmt::format("{}.tool_calls[{}]", path, i));
        if (!call) {
            return propagate(call);
        }
        open.add(*call);
        message.tool_calls.push_back(std::move(*call));
    }
    if (members.error()) {
        return fail(*members.error());
    }
    if (message.role == Role::tool) {
        open.answer(message);
    }
    return message;
}

Result<void> read_options(Members& members, ChatRequest& request) {
    const Tree* options = members.object("options");
    if (options == nullptr) {
        return {};
    }
    Members inner{*options, "options"};
    openai::read_sampling(inner, request);  // Ollama's words are OpenAI's, the limit's apart
    openai::read_stop(inner, request);
    const auto limit = inner.integer("num_predict");
    // -1 is "as much as it likes", -2 "until the context is full": no limit to anybody else.
    request.max_tokens = limit && *limit > 0 ? limit : std::nullopt;
    if (request.seed && *request.seed < 0) {
        request.seed.reset();  // -1, the default: any
    }
    request.context = inner.integer("num_ctx");
    for (const auto& [key, value] : inner.rest()) {
        request.dropped.push_back("options." + key);
    }
    if (inner.error()) {
        return fail(*inner.error());
    }
    return {};
}

void read_format(Members& members, ChatRequest& request) {
    const Tree* format = members.any("format");
    if (format == nullptr || *format == Tree("")) {
        return;
    }
    ResponseFormat out;
    if (*format == Tree("json")) {
        out.kind = ResponseFormat::Kind::json_object;
    } else if (format->is_object()) {
        out.kind = ResponseFormat::Kind::json_schema;
        out.schema = raw_text(*format);
    } else {
        members.complain("format", "must be \"json\" or a JSON schema.");
        return;
    }
    request.format = std::move(out);
}

void read_think(Members& members, ChatRequest& request) {
    const Tree* think = members.any("think");
    if (think == nullptr) {
        return;
    }
    if (think->is_boolean()) {
        request.effort = think->get<bool>() ? "medium" : "none";
    } else if (think->is_string()) {
        request.effort = think->get<std::string>();
    } else {
        members.complain("think", "must be true, false, \"low\", \"medium\" or \"high\".");
    }
}

// What both routes have.
Result<void> read_shared(Members& members, ChatRequest& request) {
    request.stream = members.boolean("stream").value_or(true);  // trap 83
    request.include_usage = true;
    if (const auto read = read_options(members, request); !read) {
        return propagate(read);
    }
    openai::read_logprobs(members, request);
    read_format(members, request);
    read_think(members, request);
    if (const Tree* keep = members.any("keep_alive")) {
        if (keep->is_number() || keep->is_string()) {
            request.keep_alive = raw_text(*keep);
        } else {
            members.complain("keep_alive", "must be a number of seconds or a text like \"5m\".");
        }
    }
    for (const auto& [key, value] : members.rest()) {
        request.dropped.push_back(key);
    }
    if (members.error()) {
        return fail(*members.error());
    }
    return {};
}

}  // namespace

Result<ChatRequest> read_chat(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    ChatRequest request;
    request.model = members.required_text("model");
    OpenCalls open;
    const Tree* messages = members.array("messages");
    for (std::size_t i = 0; messages != nullptr && i < messages->size(); ++i) {
        auto message = read_message((*messages)[i], fmt::format("messages[{}]", i), open);
        if (!message) {
            return propagate(message);
        }
        request.messages.push_back(std::move(*message));
    }
    if (const auto read = openai::read_tools(members, request); !read) {
        return propagate(read);
    }
    if (const auto read = read_shared(members, request); !read) {
        return propagate(read);
    }
    return request;
}

Result<ChatRequest> read_generate(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    ChatRequest request;
    request.model = members.required_text("model");
    request.completion = true;
    request.raw = members.boolean("raw").value_or(false);
    request.suffix = members.text("suffix").value_or("");
    Message prompt;
    if (auto text = members.text("prompt"); text && !text->empty()) {
        prompt.content.push_back(Part{.kind = Part::Kind::text, .text = std::move(*text)});
    }
    if (const auto read = read_images(members, {}, prompt.content); !read) {
        return propagate(read);
    }
    const std::string system = members.text("system").value_or("");
    if (const auto read = read_shared(members, request); !read) {
        return propagate(read);
    }
    if (prompt.content.empty()) {
        return request;
    }
    if (!system.empty()) {
        Message& message = request.messages.emplace_back();
        message.role = Role::system;
        message.content.push_back(Part{.kind = Part::Kind::text, .text = system});
    }
    request.messages.push_back(std::move(prompt));
    return request;
}

}  // namespace nova::dialect::ollama

// OpenAI's chat request, both ways. Field list: reference/engines-and-tools.md 8.1.
#include "dialect/openai_request.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/openai_pieces.hpp"
#include "dialect/provider_view.hpp"
#include "dialect/thinking.hpp"

namespace nova::dialect::openai {
namespace {

using namespace std::string_view_literals;

std::unexpected<Error> refuse(std::string message) {
    return fail(ErrorCode::invalid_argument, std::move(message));
}

std::optional<Role> role_from(std::string_view word) {
    constexpr std::array kRoles{
        std::pair{"system"sv, Role::system}, std::pair{"developer"sv, Role::developer},
        std::pair{"user"sv, Role::user},     std::pair{"assistant"sv, Role::assistant},
        std::pair{"tool"sv, Role::tool},     std::pair{"function"sv, Role::tool},
    };
    const auto* const found =
        std::ranges::find(kRoles, word, &std::pair<std::string_view, Role>::first);
    return found == kRoles.end() ? std::nullopt : std::optional{found->second};
}

std::string_view word(Role role) {
    switch (role) {
    case Role::system:
        return "system";
    case Role::developer:
        return "developer";
    case Role::user:
        return "user";
    case Role::assistant:
        return "assistant";
    case Role::tool:
        return "tool";
    }
    return "user";
}

Result<Part> read_part(const Tree& value, const std::string& path) {
    Members members{value, path};
    const std::string type = members.text("type").value_or("");
    Part part;
    if (type == "text" || type == "input_text" || type == "output_text") {
        part.text = members.text("text").value_or("");
    } else if (type == "refusal") {
        part.text = members.text("refusal").value_or("");
    } else if (type == "image_url") {
        part.kind = Part::Kind::image;
        const Tree* url = members.any("image_url");
        if (url != nullptr && url->is_string()) {
            part.image = image_from(url->get<std::string>(), {});
        } else if (url != nullptr && url->is_object()) {
            Members inner{*url, path + ".image_url"};
            part.image = image_from(inner.required_text("url"), inner.text("detail").value_or(""));
            if (inner.error()) {
                return fail(*inner.error());
            }
        } else {
            members.complain("image_url", "is missing.");
        }
    } else {
        part.kind = Part::Kind::other;
        part.raw = raw_text(value);
    }
    if (members.error()) {
        return fail(*members.error());
    }
    return part;
}

Result<std::vector<Part>> read_content(const Tree* content, const std::string& path) {
    std::vector<Part> parts;
    if (content == nullptr) {
        return parts;
    }
    if (content->is_string()) {
        parts.push_back(Part{.kind = Part::Kind::text, .text = content->get<std::string>()});
        return parts;
    }
    if (!content->is_array()) {
        return refuse(path + " must be a string or a list of parts.");
    }
    for (std::size_t i = 0; i < content->size(); ++i) {
        auto part = read_part((*content)[i], fmt::format("{}[{}]", path, i));
        if (!part) {
            return propagate(part);
        }
        parts.push_back(std::move(*part));
    }
    return parts;
}

Result<Message> read_message(const Tree& value, const std::string& path) {
    Members members{value, path};
    Message message;
    const std::string role = members.required_text("role");
    if (members.error()) {
        return fail(*members.error());
    }
    const auto known = role_from(role);
    if (!known) {
        return refuse(fmt::format(
            "{}.role must be system, developer, user, assistant or tool, not `{}`.", path, role
        ));
    }
    message.role = *known;
    auto content = read_content(members.any("content"), path + ".content");
    if (!content) {
        return propagate(content);
    }
    message.content = std::move(*content);
    message.name = members.text("name").value_or("");
    message.tool_call_id = members.text("tool_call_id").value_or("");
    // Both words are in use (trap 62).
    message.reasoning = members.text("reasoning_content");
    if (auto other = members.text("reasoning"); !message.reasoning) {
        message.reasoning = std::move(other);
    }
    if (const Tree* details = members.array("reasoning_details")) {
        message.thoughts = thoughts_from(*details);
    }
    if (const Tree* calls = members.array("tool_calls")) {
        for (std::size_t i = 0; i < calls->size(); ++i) {
            auto call = read_call((*calls)[i], fmt::format("{}.tool_calls[{}]", path, i));
            if (!call) {
                return propagate(call);
            }
            message.tool_calls.push_back(std::move(*call));
        }
    }
    if (members.error()) {
        return fail(*members.error());
    }
    return message;
}

std::optional<ToolChoice> choice_from(std::string_view word) {
    if (word == "auto") {
        return ToolChoice{.mode = ToolChoice::Mode::automatic, .function = {}};
    }
    if (word == "none") {
        return ToolChoice{.mode = ToolChoice::Mode::none, .function = {}};
    }
    if (word == "required") {
        return ToolChoice{.mode = ToolChoice::Mode::required, .function = {}};
    }
    return std::nullopt;
}

void read_tool_choice(Members& members, ChatRequest& request) {
    const Tree* choice = members.any("tool_choice");
    if (const Tree* older = members.any("function_call"); choice == nullptr) {
        choice = older;
    }
    if (choice == nullptr) {
        return;
    }
    if (choice->is_string()) {
        request.tool_choice = choice_from(choice->get<std::string>());
    } else if (choice->is_object()) {
        const Tree* function = choice->contains("function") ? &(*choice)["function"] : choice;
        if (function->is_object() && function->contains("name") &&
            (*function)["name"].is_string()) {
            request.tool_choice = ToolChoice{
                .mode = ToolChoice::Mode::function,
                .function = (*function)["name"].get<std::string>(),
            };
        }
    }
    if (!request.tool_choice) {
        members.complain(
            "tool_choice", "must be \"auto\", \"none\", \"required\" or name a function."
        );
    }
}

void read_format(Members& members, ChatRequest& request) {
    const Tree* format = members.object("response_format");
    if (format == nullptr) {
        return;
    }
    Members inner{*format, "response_format"};
    const std::string type = inner.text("type").value_or("text");
    ResponseFormat out;
    if (type == "json_object") {
        out.kind = ResponseFormat::Kind::json_object;
    } else if (type == "json_schema") {
        out.kind = ResponseFormat::Kind::json_schema;
        const Tree* wrapped = inner.object("json_schema");
        if (wrapped == nullptr || !wrapped->contains("schema")) {
            members.complain("response_format.json_schema", "must hold a schema.");
            return;
        }
        Members schema{*wrapped, "response_format.json_schema"};
        out.name = schema.text("name").value_or("");
        out.strict = schema.boolean("strict");
        out.schema = raw_text((*wrapped)["schema"]);
    } else if (type != "text") {
        members.complain("response_format.type", "must be text, json_object or json_schema.");
        return;
    }
    request.format = std::move(out);
}

// ---- writing

Tree part_json(const Part& part) {
    Tree out = Tree::object();
    switch (part.kind) {
    case Part::Kind::text:
        out["type"] = "text";
        out["text"] = part.text;
        return out;
    case Part::Kind::image: {
        out["type"] = "image_url";
        const Image& image = part.image;
        out["image_url"]["url"] =
            image.base64.empty() ? image.url
                                 : fmt::format("data:{};base64,{}", image.media_type, image.base64);
        if (!image.detail.empty()) {
            out["image_url"]["detail"] = image.detail;
        }
        return out;
    }
    case Part::Kind::other:
        return Tree::parse(part.raw, nullptr, false);
    }
    return out;
}

using Parts = std::vector<const Part*>;

Tree content_json(const Message& message, const Parts& parts) {
    if (parts.empty()) {
        // An assistant that only called tools had null (trap 53); everybody else said nothing.
        return message.role == Role::assistant && !message.tool_calls.empty() ? Tree{} : Tree("");
    }
    if (parts.size() == 1 && parts.front()->kind == Part::Kind::text) {
        return Tree(parts.front()->text);
    }
    Tree out = Tree::array();
    for (const Part* part : parts) {
        out.push_back(part_json(*part));
    }
    return out;
}

// parts: of the message's content, or what is sent instead.
Tree message_json(const Message& message, const Parts& parts, const WriteOptions& options) {
    Tree out = Tree::object();
    out["role"] = word(message.role);
    out["content"] = content_json(message, parts);
    if (!message.name.empty() && message.role != Role::tool) {
        out["name"] = message.name;
    }
    if (message.role == Role::tool) {
        out["tool_call_id"] = message.tool_call_id;
    }
    if (options.send_reasoning && message.reasoning) {
        out["reasoning_content"] = *message.reasoning;
    }
    for (const ToolCall& call : message.tool_calls) {
        Tree function = Tree::object();
        function["name"] = call.name;
        function["arguments"] = call.arguments;
        Tree item = Tree::object();
        item["id"] = call.id;
        item["type"] = "function";
        item["function"] = std::move(function);
        out["tool_calls"].push_back(std::move(item));
    }
    return out;
}

// A tool's message takes text alone. The images of results follow in the user's name, behind the
// last result: nothing may stand between a call and its results.
Tree messages_json(const std::vector<Message>& messages, const WriteOptions& options) {
    Tree out = Tree::array();
    Parts images;
    const auto show_images = [&out, &images, &options] {
        if (!images.empty()) {
            out.push_back(message_json(Message{}, std::exchange(images, {}), options));
        }
    };
    for (const Message& message : messages) {
        Parts parts;
        if (message.role == Role::user) {
            parts = std::exchange(images, {});  // some templates want the roles to alternate
        } else if (message.role != Role::tool) {
            show_images();
        }
        for (const Part& part : message.content) {
            const bool apart = message.role == Role::tool && part.kind == Part::Kind::image;
            (apart ? images : parts).push_back(&part);
        }
        out.push_back(message_json(message, parts, options));
    }
    show_images();
    return out;
}

Tree choice_json(const ToolChoice& choice) {
    switch (choice.mode) {
    case ToolChoice::Mode::automatic:
        return Tree("auto");
    case ToolChoice::Mode::none:
        return Tree("none");
    case ToolChoice::Mode::required:
        return Tree("required");
    case ToolChoice::Mode::function:
        break;
    }
    Tree out = Tree::object();
    out["type"] = "function";
    out["function"]["name"] = choice.function;
    return out;
}

Tree format_json(const ResponseFormat& format) {
    Tree out = Tree::object();
    switch (format.kind) {
    case ResponseFormat::Kind::text:
        out["type"] = "text";
        return out;
    case ResponseFormat::Kind::json_object:
        out["type"] = "json_object";
        return out;
    case ResponseFormat::Kind::json_schema:
        break;
    }
    out["type"] = "json_schema";
    Tree& schema = out["json_schema"];
    schema["name"] = format.name.empty() ? "answer" : format.name;
    schema["schema"] = Tree::parse(format.schema, nullptr, false);
    if (format.strict) {
        schema["strict"] = *format.strict;
    }
    return out;
}

}  // namespace

Result<ChatRequest> read_request(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    ChatRequest request;
    request.model = members.required_text("model");
    const Tree* messages = members.array("messages");
    if (messages == nullptr || messages->empty()) {
        members.complain("messages", "must be a list with at least one message.");
    }
    for (std::size_t i = 0; messages != nullptr && i < messages->size(); ++i) {
        auto message = read_message((*messages)[i], fmt::format("messages[{}]", i));
        if (!message) {
            return propagate(message);
        }
        request.messages.push_back(std::move(*message));
    }
    if (const auto tools = read_tools(members, request); !tools) {
        return propagate(tools);
    }
    read_tool_choice(members, request);
    request.parallel_tool_calls = members.boolean("parallel_tool_calls");
    read_stream(members, request);
    read_sampling(members, request);
    read_stop(members, request);
    read_logprobs(members, request);
    read_format(members, request);
    request.effort = members.text("reasoning_effort");
    request.user = members.text("user");
    if (const Tree* metadata = members.any("metadata")) {
        request.metadata = raw_text(*metadata);
    }
    request.extra = members.rest();
    if (members.error()) {
        return fail(*members.error());
    }
    return request;
}

std::string write_request(const ChatRequest& request, const WriteOptions& options) {
    Tree out = Tree::object();
    out["model"] = options.model.empty() ? request.model : options.model;
    out["messages"] = messages_json(request.messages, options);
    for (const Tool& tool : request.tools) {
        out["tools"].push_back(tool_json(tool));
    }
    if (request.tool_choice && !request.tools.empty()) {
        out["tool_choice"] = choice_json(*request.tool_choice);
    }
    put(out, "parallel_tool_calls", request.parallel_tool_calls);
    put_stream(out, request, options);
    put_sampling(out, request, limit_name(options));
    put_logprobs(out, request);
    if (request.format) {
        out["response_format"] = format_json(*request.format);
    }
    if (request.think_budget) {
        out["reasoning_effort"] = effort_of(*request.think_budget);
    }
    put(out, "reasoning_effort", request.effort);
    put(out, "user", request.user);
    if (request.metadata) {
        out["metadata"] = Tree::parse(*request.metadata, nullptr, false);
    }
    put_extra(out, request);
    apply_options(out, options);
    return raw_text(out);
}

std::vector<std::string> left_out(const ChatRequest& request, const WriteOptions& options) {
    auto view = provider_view(request, options, Dialect::openai);
    if (!view) {
        return {};
    }
    leave_out(*view, "num_ctx");
    leave_out(*view, "keep_alive");
    const auto replayed = [](const Message& message) { return message.reasoning.has_value(); };
    if (!options.send_reasoning && std::ranges::any_of(view->messages, replayed)) {
        view->dropped.emplace_back("messages.reasoning_content");
    }
    const auto proven = [](const Message& message) { return !message.thoughts.empty(); };
    if (std::ranges::any_of(view->messages, proven)) {
        view->dropped.emplace_back("messages.reasoning_details");
    }
    const auto failed = [](const Message& message) { return message.tool_failed; };
    if (std::ranges::any_of(view->messages, failed)) {
        view->dropped.emplace_back("messages.is_error");
    }
    const auto marked = [](const auto& holder) { return holder.cache_control.has_value(); };
    if (std::ranges::any_of(view->messages, marked) || std::ranges::any_of(view->tools, marked)) {
        view->dropped.emplace_back("cache_control");
    }
    return std::move(view->dropped);
}

}  // namespace nova::dialect::openai

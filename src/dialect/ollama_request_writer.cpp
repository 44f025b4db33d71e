// What Ollama is asked, from the neutral form: the table of reference/engines-and-tools.md 1.8.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/ollama_request.hpp"
#include "dialect/openai_pieces.hpp"
#include "dialect/provider_view.hpp"

namespace nova::dialect::ollama {
namespace {

using namespace std::string_view_literals;

std::string_view word(Role role) {
    switch (role) {
    case Role::system:
    case Role::developer:
        return "system";
    case Role::user:
        return "user";
    case Role::assistant:
        return "assistant";
    case Role::tool:
        return "tool";
    }
    return "user";
}

struct Content {
    std::string text;
    std::vector<std::string> images;
};

// Sound travels in the list of images (reference/engines-and-tools.md 1.8).
std::string sound_in(const Part& part) {
    const Tree value = Tree::parse(part.raw, nullptr, false);
    return text_of(member(member(value, "input_audio"), "data"));
}

Result<std::string> image_data(const Image& image, const std::string& path) {
    if (!image.base64.empty()) {
        return image.base64;
    }
    const bool address = image.url.starts_with("http://") || image.url.starts_with("https://");
    return fail(
        ErrorCode::unprocessable,
        address ? fmt::format("{} is an address: Ollama does not fetch images.", path)
                : fmt::format("{} holds no base64 data.", path),
        "Send the image as data:image/png;base64,..."
    );
}

// One message stays one message, whatever parts it has (trap 88).
Result<Content> content_of(const Message& message, const std::string& path) {
    Content out;
    bool first = true;
    for (std::size_t i = 0; i < message.content.size(); ++i) {
        const Part& part = message.content[i];
        const std::string place = fmt::format("{}.content[{}]", path, i);
        if (part.kind == Part::Kind::text) {
            out.text += (first ? "" : "\n") + part.text;
            first = false;
        } else if (part.kind == Part::Kind::image) {
            auto data = image_data(part.image, place);
            if (!data) {
                return propagate(data);
            }
            out.images.push_back(std::move(*data));
        } else if (auto sound = sound_in(part); !sound.empty()) {
            out.images.push_back(std::move(sound));
        } else {
            return fail(
                ErrorCode::unprocessable,
                fmt::format("{} is of a kind that Ollama has no word for.", place)
            );
        }
    }
    return out;
}

// The function whose result a tool message holds: Ollama goes by names (trap 52).
std::string name_of_call(const ChatRequest& request, std::size_t index) {
    const Message& result = request.messages[index];
    if (!result.name.empty()) {
        return result.name;
    }
    for (std::size_t i = index; i > 0; --i) {
        for (const ToolCall& call : request.messages[i - 1].tool_calls) {
            if (call.id == result.tool_call_id) {
                return call.name;
            }
        }
    }
    return {};
}

Result<Tree> calls_json(const std::vector<ToolCall>& calls, const std::string& path) {
    Tree out = Tree::array();
    for (std::size_t i = 0; i < calls.size(); ++i) {
        auto arguments = parse_tree(calls[i].arguments, "arguments");
        if (!arguments || !arguments->is_object()) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format(
                    "{}.tool_calls[{}].function.arguments must be the text of a JSON object.", path,
                    i
                )
            );
        }
        Tree call = Tree::object();
        if (!calls[i].id.empty()) {
            call["id"] = calls[i].id;
        }
        call["function"]["index"] = i;
        call["function"]["name"] = calls[i].name;
        call["function"]["arguments"] = std::move(*arguments);
        out.push_back(std::move(call));
    }
    return out;
}

Result<Tree> message_json(const ChatRequest& request, std::size_t index) {
    const Message& message = request.messages[index];
    const std::string path = fmt::format("messages[{}]", index);
    auto content = content_of(message, path);
    if (!content) {
        return propagate(content);
    }
    Tree out = Tree::object();
    out["role"] = word(message.role);
    out["content"] = std::move(content->text);
    if (message.reasoning && message.role == Role::assistant) {
        out["thinking"] = *message.reasoning;
    }
    if (!content->images.empty()) {
        out["images"] = std::move(content->images);
    }
    if (!message.tool_calls.empty()) {
        auto calls = calls_json(message.tool_calls, path);
        if (!calls) {
            return propagate(calls);
        }
        out["tool_calls"] = std::move(*calls);
    }
    if (message.role == Role::tool) {
        if (auto name = name_of_call(request, index); !name.empty()) {
            out["tool_name"] = std::move(name);
        }
        if (!message.tool_call_id.empty()) {
            out["tool_call_id"] = message.tool_call_id;
        }
    }
    return out;
}

Result<void> put_chat(Tree& out, const ChatRequest& request) {
    out["messages"] = Tree::array();
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
        auto message = message_json(request, i);
        if (!message) {
            return propagate(message);
        }
        out["messages"].push_back(std::move(*message));
    }
    return {};
}

Result<void> put_prompt(Tree& out, const ChatRequest& request) {
    Content all;
    std::string system;
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
        const Message& message = request.messages[i];
        auto content = content_of(message, fmt::format("messages[{}]", i));
        if (!content) {
            return propagate(content);
        }
        std::string& into =
            message.role == Role::system || message.role == Role::developer ? system : all.text;
        into += (into.empty() ? "" : "\n") + content->text;
        std::ranges::move(content->images, std::back_inserter(all.images));
    }
    out["prompt"] = std::move(all.text);
    if (!request.suffix.empty()) {
        out["suffix"] = request.suffix;
    } else if (request.raw) {
        out["raw"] = true;  // the gap is filled by the model's template: no raw with a suffix
    }
    if (!system.empty()) {
        out["system"] = std::move(system);
    }
    if (!all.images.empty()) {
        out["images"] = std::move(all.images);
    }
    return {};
}

bool leaves_out(const WriteOptions& options, std::string_view name) {
    return std::ranges::find(options.unsupported, name) != options.unsupported.end();
}

// "required" cannot be enforced; what can be said of a choice is said by the tools that are sent.
Result<void> put_tools(Tree& out, const ChatRequest& request, const WriteOptions& options) {
    const ToolChoice choice = request.tool_choice.value_or(ToolChoice{});
    if (choice.mode == ToolChoice::Mode::none || leaves_out(options, "tools")) {
        return {};
    }
    const bool one = choice.mode == ToolChoice::Mode::function;
    for (const Tool& tool : request.tools) {
        if (!one || tool.name == choice.function) {
            out["tools"].push_back(openai::tool_json(tool));
        }
    }
    if (one && !out.contains("tools")) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("tool_choice names `{}`, which is not among the tools.", choice.function)
        );
    }
    return {};
}

// What the request leaves open: the model's defaults and above them the route's, in OpenAI's words
// or Ollama's own (those are left in extra).
Result<ChatRequest> read_defaults(const WriteOptions& options) {
    Tree tree = Tree::object();
    for (const auto& [key, value] : options.defaults) {
        tree[key] = Tree::parse(value, nullptr, false);
    }
    Members members{tree, "defaults"};
    ChatRequest below;
    openai::read_sampling(members, below);
    openai::read_stop(members, below);
    if (const auto limit = members.integer("num_predict")) {
        below.max_tokens = limit;
    }
    below.context = members.integer("num_ctx");
    if (const auto context = members.integer("context"); !below.context) {
        below.context = context;
    }
    below.effort = members.text("reasoning_effort");
    if (const Tree* keep = members.any("keep_alive")) {
        below.keep_alive = raw_text(*keep);
    }
    below.extra = members.rest();
    if (members.error()) {
        return fail(*members.error());
    }
    return below;
}

void put_options(
    Tree& out, const ChatRequest& request, const ChatRequest& below, const WriteOptions& options
) {
    Tree all = Tree::object();
    for (const auto& [key, value] : below.extra) {
        all[key] = Tree::parse(value, nullptr, false);
    }
    for (const ChatRequest* level : {&below, &request}) {  // model < route < request (trap 90)
        openai::put_sampling(all, *level, "num_predict");
        put(all, "num_ctx", level->context);
    }
    for (const std::string& name : options.unsupported) {
        const bool limit = name == "max_tokens" || name == "max_completion_tokens";
        all.erase(limit ? "num_predict" : name);
    }
    if (!all.empty()) {
        out["options"] = std::move(all);
    }
}

// Ollama 0.17.4 refuses "max", which newer ones know, so nothing above "high" is said (seen
// 2026-11-23). A budget in tokens has no word: thinking is just on.
std::optional<Tree> think_json(const ChatRequest& request, const ChatRequest& below) {
    const std::string effort = request.effort ? *request.effort : below.effort.value_or("");
    if (effort == "none") {
        return Tree(false);
    }
    if (effort == "minimal" || effort == "low") {
        return Tree("low");
    }
    if (effort == "medium") {
        return Tree("medium");
    }
    if (effort == "high" || effort == "xhigh" || effort == "max") {
        return Tree("high");
    }
    return request.think_budget ? std::optional{Tree(true)} : std::nullopt;
}

// Ollama's own words in the mouth of another dialect's client (extra_body of OpenAI's libraries):
// the most particular wish there is.
Result<void> put_extra(Tree& out, const ChatRequest& request) {
    for (const auto& [key, value] : request.extra) {
        if (key == "n" && value != "1" && value != "null") {
            return fail(ErrorCode::unprocessable, "n: Ollama gives one answer to a request.");
        }
        Tree said = Tree::parse(value, nullptr, false);
        if (key == "keep_alive" || key == "think") {
            out[key] = std::move(said);
        } else if (key == "num_ctx") {
            out["options"][key] = std::move(said);
        } else if (key == "options" && said.is_object()) {
            for (auto& [option, wish] : said.items()) {
                out["options"][option] = std::move(wish);
            }
        }
    }
    return {};
}

}  // namespace

Result<std::string> write_request(const ChatRequest& request, const WriteOptions& options) {
    const auto below = read_defaults(options);
    if (!below) {
        return propagate(below);
    }
    Tree out = Tree::object();
    out["model"] = options.model.empty() ? request.model : options.model;
    const auto said = request.completion ? put_prompt(out, request) : put_chat(out, request);
    if (!said) {
        return propagate(said);
    }
    if (const auto tools = put_tools(out, request, options); !tools) {
        return propagate(tools);
    }
    out["stream"] = request.stream;  // Ollama's default is true: always said (trap 83)
    if (request.format && !leaves_out(options, "response_format")) {
        if (request.format->kind == ResponseFormat::Kind::json_object) {
            out["format"] = "json";
        } else if (request.format->kind == ResponseFormat::Kind::json_schema) {
            out["format"] = Tree::parse(request.format->schema, nullptr, false);
        }
    }
    if (auto think = think_json(request, *below);
        think && !leaves_out(options, "reasoning_effort")) {
        out["think"] = std::move(*think);
    }
    if (const auto& keep = request.keep_alive ? request.keep_alive : below->keep_alive) {
        out["keep_alive"] = Tree::parse(*keep, nullptr, false);
    }
    if (!leaves_out(options, "logprobs")) {
        openai::put_logprobs(out, request);
    }
    put_options(out, request, *below, options);
    if (const auto extra = put_extra(out, request); !extra) {
        return propagate(extra);
    }
    return raw_text(out);
}

std::vector<std::string> left_out(const ChatRequest& request, const WriteOptions& options) {
    constexpr std::array kOllamasOwn{"keep_alive"sv, "think"sv, "num_ctx"sv, "options"sv};
    std::vector<std::string> names;
    for (const auto& member : request.extra) {
        const bool said = std::ranges::find(kOllamasOwn, member.first) != kOllamasOwn.end();
        if (!said && asks_for_something(member)) {
            names.push_back(member.first);
        }
    }
    const auto note = [&names](bool left, std::string_view name) {
        if (left) {
            names.emplace_back(name);
        }
    };
    const bool tools = !request.tools.empty();
    const auto mode = request.tool_choice.value_or(ToolChoice{}).mode;
    note(tools && leaves_out(options, "tools"), "tools");
    note(tools && mode == ToolChoice::Mode::required, "tool_choice");
    note(tools && request.parallel_tool_calls == false, "parallel_tool_calls");
    note(request.format && leaves_out(options, "response_format"), "response_format");
    note(request.effort && leaves_out(options, "reasoning_effort"), "reasoning_effort");
    note(request.logprobs && leaves_out(options, "logprobs"), "logprobs");
    const auto proven = [](const Message& message) { return !message.thoughts.empty(); };
    note(std::ranges::any_of(request.messages, proven), "messages.reasoning_details");
    const auto failed = [](const Message& message) { return message.tool_failed; };
    note(std::ranges::any_of(request.messages, failed), "messages.is_error");
    note(request.user.has_value(), "user");
    note(request.metadata.has_value(), "metadata");
    return names;
}

}  // namespace nova::dialect::ollama

// Pieces of OpenAI's bodies that other dialects share.
#include "dialect/openai_pieces.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/provider_view.hpp"

namespace nova::dialect::openai {
namespace {

Result<Tool> read_tool(const Tree& value, const std::string& path) {
    Members members{value, path};
    Tool tool;
    tool.name = members.required_text("name");
    tool.description = members.text("description").value_or("");
    if (const Tree* parameters = members.object("parameters")) {
        tool.parameters = raw_text(*parameters);
    }
    tool.strict = members.boolean("strict");
    if (members.error()) {
        return fail(*members.error());
    }
    return tool;
}

}  // namespace

Image image_from(std::string url, std::string detail) {
    Image image{.media_type = {}, .base64 = {}, .url = {}, .detail = std::move(detail)};
    constexpr std::string_view kMark = ";base64,";
    const std::size_t mark = url.find(kMark);
    if (url.starts_with("data:") && mark != std::string::npos) {
        image.media_type = url.substr(5, mark - 5);
        image.base64 = url.substr(mark + kMark.size());
    } else {
        image.url = std::move(url);
    }
    return image;
}

Result<ToolCall> read_call(const Tree& value, const std::string& path) {
    Members members{value, path};
    ToolCall call;
    call.id = members.text("id").value_or("");
    const Tree* function = members.object("function");
    if (function == nullptr) {
        members.complain("function", "is missing.");
    }
    if (members.error()) {
        return fail(*members.error());
    }
    Members inner{*function, path + ".function"};
    call.name = inner.required_text("name");
    call.arguments = arguments_text(inner.any("arguments"));
    if (inner.error()) {
        return fail(*inner.error());
    }
    return call;
}

Result<void> read_tools(Members& members, ChatRequest& request) {
    const Tree* tools = members.array("tools");
    const Tree* functions = members.array("functions");  // the form before tools
    for (std::size_t i = 0; tools != nullptr && i < tools->size(); ++i) {
        const std::string path = fmt::format("tools[{}]", i);
        Members outer{(*tools)[i], path};
        const Tree* function = outer.object("function");
        if (function == nullptr) {
            request.dropped.push_back(path);  // custom and built-in tools of OpenAI alone
            continue;
        }
        auto tool = read_tool(*function, path + ".function");
        if (!tool) {
            return propagate(tool);
        }
        request.tools.push_back(std::move(*tool));
    }
    for (std::size_t i = 0; functions != nullptr && i < functions->size(); ++i) {
        auto tool = read_tool((*functions)[i], fmt::format("functions[{}]", i));
        if (!tool) {
            return propagate(tool);
        }
        request.tools.push_back(std::move(*tool));
    }
    return {};
}

void read_stop(Members& members, ChatRequest& request) {
    const Tree* stop = members.any("stop");
    if (stop == nullptr) {
        return;
    }
    if (stop->is_string()) {
        request.stop.push_back(stop->get<std::string>());
        return;
    }
    if (!stop->is_array() ||
        !std::ranges::all_of(*stop, [](const Tree& v) { return v.is_string(); })) {
        members.complain("stop", "must be a string or a list of strings.");  // trap 92
        return;
    }
    for (const Tree& value : *stop) {
        request.stop.push_back(value.get<std::string>());
    }
}

void read_sampling(Members& members, ChatRequest& request) {
    request.temperature = members.number("temperature");
    request.top_p = members.number("top_p");
    request.top_k = members.integer("top_k");
    request.min_p = members.number("min_p");
    request.presence_penalty = members.number("presence_penalty");
    request.frequency_penalty = members.number("frequency_penalty");
    request.repeat_penalty = members.number("repeat_penalty");
    if (auto other = members.number("repetition_penalty"); !request.repeat_penalty) {
        request.repeat_penalty = other;
    }
    request.seed = members.integer("seed");
    // Both given: the newer word counts (trap 60).
    const auto newer = members.integer("max_completion_tokens");
    const auto older = members.integer("max_tokens");
    request.max_tokens = newer ? newer : older;
}

void read_stream(Members& members, ChatRequest& request) {
    request.stream = members.boolean("stream").value_or(false);
    if (const Tree* options = members.object("stream_options")) {
        Members inner{*options, "stream_options"};
        request.include_usage = inner.boolean("include_usage").value_or(false);
    }
}

void put_stream(Tree& out, const ChatRequest& request, const WriteOptions& options) {
    out["stream"] = request.stream;
    if (request.stream && options.include_usage) {
        out["stream_options"]["include_usage"] = true;  // only with a stream (trap 57)
    }
}

void read_logprobs(Members& members, ChatRequest& request) {
    const bool asked = members.boolean("logprobs").value_or(false);
    const auto others = members.integer("top_logprobs");
    if (asked) {
        request.logprobs = others.value_or(0);
    }
}

void put_logprobs(Tree& out, const ChatRequest& request) {
    if (request.logprobs) {
        out["logprobs"] = true;
        if (*request.logprobs > 0) {
            out["top_logprobs"] = *request.logprobs;
        }
    }
}

Tree tool_json(const Tool& tool) {
    Tree function = Tree::object();
    function["name"] = tool.name;
    if (!tool.description.empty()) {
        function["description"] = tool.description;
    }
    function["parameters"] = Tree::parse(tool.parameters, nullptr, false);
    if (tool.strict) {
        function["strict"] = *tool.strict;
    }
    Tree out = Tree::object();
    out["type"] = "function";
    out["function"] = std::move(function);
    return out;
}

void put_sampling(Tree& out, const ChatRequest& request, const char* limit) {
    put(out, limit, request.max_tokens);
    put(out, "temperature", request.temperature);
    put(out, "top_p", request.top_p);
    put(out, "top_k", request.top_k);
    put(out, "min_p", request.min_p);
    put(out, "presence_penalty", request.presence_penalty);
    put(out, "frequency_penalty", request.frequency_penalty);
    put(out, "repeat_penalty", request.repeat_penalty);
    put(out, "seed", request.seed);
    if (!request.stop.empty()) {
        out["stop"] = request.stop;
    }
}

const char* limit_name(const WriteOptions& options) {
    return options.max_completion_tokens ? "max_completion_tokens" : "max_tokens";
}

void put_extra(Tree& out, const ChatRequest& request) {
    if (!same_words(request.from, Dialect::openai)) {
        return;
    }
    for (const auto& [key, value] : request.extra) {
        out[key] = Tree::parse(value, nullptr, false);
    }
}

void drop_unsupported(Tree& out, const WriteOptions& options) {
    for (const std::string& key : options.unsupported) {
        out.erase(key);
    }
}

void apply_options(Tree& out, const WriteOptions& options) {
    for (const auto& [key, value] : options.defaults) {
        if (!out.contains(key)) {
            out[key] = Tree::parse(value, nullptr, false);
        }
    }
    drop_unsupported(out, options);
}

std::vector<Thought> thoughts_from(const Tree& details) {
    std::vector<Thought> thoughts;
    for (std::size_t i = 0; details.is_array() && i < details.size(); ++i) {
        const Tree& detail = details[i];
        const std::string type = text_of(member(detail, "type"));
        const std::string format = text_of(member(detail, "format"));
        if (!format.empty() && !format.starts_with("anthropic")) {
            continue;  // another maker's proof, which Anthropic would refuse
        }
        Thought thought;
        if (type == "reasoning.text") {
            thought.text = text_of(member(detail, "text"));
            thought.signature = text_of(member(detail, "signature"));
        } else if (type == "reasoning.encrypted") {
            thought.redacted = text_of(member(detail, "data"));
        }
        if (!thought.signature.empty() || !thought.redacted.empty()) {
            thoughts.push_back(std::move(thought));
        }
    }
    return thoughts;
}

Tree details_json(const std::vector<Thought>& thoughts) {
    Tree out = Tree::array();
    for (const Thought& thought : thoughts) {
        if (thought.signature.empty() && thought.redacted.empty()) {
            continue;
        }
        Tree detail = Tree::object();
        if (thought.redacted.empty()) {
            detail["type"] = "reasoning.text";
            detail["text"] = thought.text;
            detail["signature"] = thought.signature;
        } else {
            detail["type"] = "reasoning.encrypted";
            detail["data"] = thought.redacted;
        }
        detail["format"] = "anthropic-claude-v1";
        out.push_back(std::move(detail));
    }
    return out;
}

std::string_view finish_word(FinishReason reason) {
    switch (reason) {
    case FinishReason::stop:
    case FinishReason::other:
        return "stop";  // closed enums in clients: nothing else is known
    case FinishReason::length:
        return "length";
    case FinishReason::tool_calls:
        return "tool_calls";
    case FinishReason::content_filter:
    case FinishReason::refusal:
        return "content_filter";
    }
    return "stop";
}

Tree usage_json(const Usage& usage) {
    const std::uint64_t prompt = usage.prompt.value_or(0);
    const std::uint64_t completion = usage.completion.value_or(0);
    Tree out = Tree::object();
    out["prompt_tokens"] = prompt;
    out["completion_tokens"] = completion;
    out["total_tokens"] = prompt + completion;
    if (usage.cached) {
        out["prompt_tokens_details"]["cached_tokens"] = *usage.cached;
    }
    if (usage.reasoning) {
        out["completion_tokens_details"]["reasoning_tokens"] = *usage.reasoning;
    }
    return out;
}

}  // namespace nova::dialect::openai

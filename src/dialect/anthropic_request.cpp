// Anthropic's chat request, both ways. Mapping: reference/engines-and-tools.md 8.8.
#include "dialect/anthropic_request.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/anthropic_turns.hpp"
#include "dialect/json_text.hpp"
#include "dialect/provider_view.hpp"
#include "dialect/thinking.hpp"

namespace nova::dialect::anthropic {
namespace {

Result<void> read_messages(Members& members, ChatRequest& request) {
    const Tree* turns = members.array("messages");
    if (turns == nullptr || turns->empty()) {
        members.complain("messages", "must be a list with at least one message.");
    }
    const Tree* system = members.any("system");
    if (members.error()) {
        return fail(*members.error());
    }
    if (system != nullptr) {
        auto message = read_system(*system);
        if (!message) {
            return propagate(message);
        }
        request.messages.push_back(std::move(*message));
    }
    auto conversation = read_turns(*turns);
    if (!conversation) {
        return propagate(conversation);
    }
    std::ranges::move(conversation->messages, std::back_inserter(request.messages));
    request.dropped = std::move(conversation->dropped);
    return {};
}

Result<void> read_tools(Members& members, ChatRequest& request) {
    const Tree* tools = members.array("tools");
    for (std::size_t i = 0; tools != nullptr && i < tools->size(); ++i) {
        const std::string path = fmt::format("tools[{}]", i);
        Members inner{(*tools)[i], path};
        const std::string type = inner.text("type").value_or("custom");
        if (type != "custom") {
            request.dropped.push_back(path);  // Anthropic runs these itself
            continue;
        }
        Tool tool;
        tool.name = inner.required_text("name");
        tool.description = inner.text("description").value_or("");
        if (const Tree* schema = inner.object("input_schema")) {
            tool.parameters = raw_text(*schema);
        }
        tool.strict = inner.boolean("strict");
        if (const Tree* mark = inner.any("cache_control")) {
            tool.cache_control = raw_text(*mark);
        }
        if (inner.error()) {
            return fail(*inner.error());
        }
        request.tools.push_back(std::move(tool));
    }
    return {};
}

void read_tool_choice(Members& members, ChatRequest& request) {
    const Tree* choice = members.object("tool_choice");
    if (choice == nullptr) {
        return;
    }
    const std::string type = text_of(member(*choice, "type"));
    ToolChoice out;
    if (type == "any") {
        out.mode = ToolChoice::Mode::required;
    } else if (type == "none") {
        out.mode = ToolChoice::Mode::none;
    } else if (type == "tool") {
        out.mode = ToolChoice::Mode::function;
        out.function = text_of(member(*choice, "name"));
    } else if (type != "auto") {
        members.complain("tool_choice.type", "must be auto, any, tool or none.");
    }
    request.tool_choice = std::move(out);
    if (const Tree& single = member(*choice, "disable_parallel_tool_use"); single.is_boolean()) {
        request.parallel_tool_calls = !single.get<bool>();
    }
}

void read_thinking(Members& members, ChatRequest& request) {
    const Tree* config = members.object("output_config");
    const Tree* older = members.object("output_format");
    const Tree none;
    const Tree& format =
        older != nullptr ? *older : member(config == nullptr ? none : *config, "format");
    if (text_of(member(format, "type")) == "json_schema") {
        ResponseFormat out;
        out.kind = ResponseFormat::Kind::json_schema;
        out.schema = raw_text(member(format, "schema"));
        request.format = std::move(out);
    }
    if (config != nullptr && member(*config, "effort").is_string()) {
        request.effort = text_of(member(*config, "effort"));
    }
    const Tree* thinking = members.object("thinking");
    if (thinking == nullptr) {
        return;
    }
    Members inner{*thinking, "thinking"};
    const std::string type = inner.text("type").value_or("");
    const auto budget = inner.integer("budget_tokens");
    if (type == "disabled") {
        request.effort = "none";
    } else if (type == "enabled") {
        request.effort.reset();
        request.think_budget = budget.value_or(kLeastThinking);
    } else if (type == "adaptive") {
        request.effort = request.effort.value_or("high");  // what Anthropic takes for granted
    } else {
        members.complain("thinking.type", "must be enabled, adaptive or disabled.");
    }
    if (inner.error()) {
        members.complain("thinking.budget_tokens", "must be a whole number.");
    }
}

void read_stop(Members& members, ChatRequest& request) {
    const Tree* stop = members.array("stop_sequences");
    for (std::size_t i = 0; stop != nullptr && i < stop->size(); ++i) {
        if (!(*stop)[i].is_string()) {
            members.complain("stop_sequences", "must be a list of strings.");
            return;
        }
        request.stop.push_back((*stop)[i].get<std::string>());
    }
}

// ---- writing

void note_once(ChatRequest& view, std::string_view name) {
    if (std::ranges::find(view.dropped, name) == view.dropped.end()) {
        view.dropped.emplace_back(name);
    }
}

// Between a call of a tool and its result the thinking that led to the call has to be there, and
// signed; a client that speaks another dialect cannot have kept it.
bool inside_unsigned_tool_use(const std::vector<Message>& messages) {
    for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
        if (message->role == Role::assistant) {
            return !message->tool_calls.empty() && message->thoughts.empty();
        }
        if (message->role == Role::user) {
            return false;
        }
    }
    return false;
}

bool forces_a_tool(const ChatRequest& view) {
    return view.tool_choice && (view.tool_choice->mode == ToolChoice::Mode::required ||
                                view.tool_choice->mode == ToolChoice::Mode::function);
}

// Words of effort become a budget: every model that thinks takes one, and the limit has to leave
// room for it.
void settle_thinking(ChatRequest& view, const WriteOptions& options) {
    const bool own_words = view.from == Dialect::anthropic && view.effort;
    std::int64_t budget = view.think_budget.value_or(view.effort ? budget_of(*view.effort) : 0);
    if (own_words || budget <= 0) {
        if (!own_words) {
            view.effort.reset();  // nothing said is no thinking
            view.think_budget.reset();
        }
        view.max_tokens = view.max_tokens.value_or(options.default_max_tokens);
        return;
    }
    budget = std::max(budget, kLeastThinking);
    if (view.max_tokens && budget >= *view.max_tokens) {
        budget = *view.max_tokens / 2;
    }
    if (budget < kLeastThinking || forces_a_tool(view) || inside_unsigned_tool_use(view.messages)) {
        leave_out(view, "reasoning_effort");
        view.max_tokens = view.max_tokens.value_or(options.default_max_tokens);
        return;
    }
    view.effort.reset();
    view.think_budget = budget;
    view.max_tokens = view.max_tokens.value_or(budget + options.default_max_tokens);
    // Thinking and these exclude each other.
    if (view.temperature == 1.0) {
        view.temperature.reset();
    }
    leave_out(view, "temperature");
    leave_out(view, "top_k");
    if (view.top_p && *view.top_p < 0.95) {
        leave_out(view, "top_p");
    }
}

void settle_sampling(ChatRequest& view) {
    if (view.presence_penalty == 0.0) {
        view.presence_penalty.reset();
    }
    if (view.frequency_penalty == 0.0) {
        view.frequency_penalty.reset();
    }
    constexpr std::array<std::string_view, 9> kUnknown{
        "min_p",   "presence_penalty", "frequency_penalty", "repeat_penalty", "seed",
        "num_ctx", "keep_alive",       "metadata",          "logprobs",
    };
    for (const std::string_view name : kUnknown) {
        leave_out(view, name);
    }
    if (view.temperature) {
        view.temperature = std::clamp(*view.temperature, 0.0, 1.0);
    }
    // Newer models take one of the two.
    if (view.from != Dialect::anthropic && view.temperature && view.top_p) {
        if (*view.top_p == 1.0) {
            view.top_p.reset();
        }
        leave_out(view, "top_p");
    }
    const auto blank = [](const std::string& text) {
        return text.find_first_not_of(" \t\r\n") == std::string::npos;
    };
    if (std::erase_if(view.stop, blank) > 0) {
        note_once(view, "stop");
    }
}

// The request with nothing in it that Anthropic has no word for; `dropped` names what went.
Result<ChatRequest> settle(const ChatRequest& request, const WriteOptions& options) {
    auto view = provider_view(request, options, Dialect::anthropic);
    if (!view) {
        return view;
    }
    if (view->max_tokens && *view->max_tokens < 1) {
        view->max_tokens.reset();  // Ollama's -1: as many as there are
    }
    settle_thinking(*view, options);
    settle_sampling(*view);
    if (view->format && view->format->kind == ResponseFormat::Kind::json_object) {
        leave_out(*view, "response_format");
    }
    for (Tool& tool : view->tools) {
        if (view->from != Dialect::anthropic && tool.strict) {
            if (*tool.strict) {
                note_once(*view, "tools.strict");  // older models refuse it
            }
            tool.strict.reset();
        }
    }
    for (const Message& message : view->messages) {
        if (!message.name.empty() && message.role != Role::tool) {
            note_once(*view, "messages.name");
        }
        if (message.reasoning && message.thoughts.empty()) {
            note_once(*view, "messages.reasoning_content");
        }
    }
    return view;
}

Tree tool_json(const Tool& tool) {
    Tree out = Tree::object();
    out["name"] = tool.name;
    if (!tool.description.empty()) {
        out["description"] = tool.description;
    }
    Tree schema = tree_of(tool.parameters);
    if (!schema.is_object()) {
        schema = Tree::object();
    }
    if (!schema.contains("type")) {
        schema["type"] = "object";  // demanded
    }
    out["input_schema"] = std::move(schema);
    put(out, "strict", tool.strict);
    if (tool.cache_control) {
        out["cache_control"] = tree_of(*tool.cache_control);
    }
    return out;
}

void put_tools(Tree& out, const ChatRequest& view) {
    if (view.tools.empty()) {
        return;
    }
    for (const Tool& tool : view.tools) {
        out["tools"].push_back(tool_json(tool));
    }
    const bool single = view.parallel_tool_calls == false;
    if (!view.tool_choice && !single) {
        return;
    }
    const ToolChoice choice = view.tool_choice.value_or(ToolChoice{});
    Tree& said = out["tool_choice"];
    switch (choice.mode) {
    case ToolChoice::Mode::automatic:
        said["type"] = "auto";
        break;
    case ToolChoice::Mode::none:
        said["type"] = "none";
        break;
    case ToolChoice::Mode::required:
        said["type"] = "any";
        break;
    case ToolChoice::Mode::function:
        said["type"] = "tool";
        said["name"] = choice.function;
        break;
    }
    if (single && choice.mode != ToolChoice::Mode::none) {
        said["disable_parallel_tool_use"] = true;
    }
}

void put_thinking(Tree& out, const ChatRequest& view) {
    if (view.think_budget) {
        out["thinking"]["type"] = "enabled";
        out["thinking"]["budget_tokens"] = *view.think_budget;
    } else if (view.effort) {
        const bool off = *view.effort == "none";
        out["thinking"]["type"] = off ? "disabled" : "adaptive";
        if (!off) {
            out["output_config"]["effort"] = *view.effort;
        }
    }
    if (view.format && view.format->kind == ResponseFormat::Kind::json_schema) {
        Tree& format = out["output_config"]["format"];
        format["type"] = "json_schema";
        format["schema"] = tree_of(view.format->schema);
    }
}

}  // namespace

Result<ChatRequest> read_request(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    ChatRequest request;
    request.from = Dialect::anthropic;
    request.model = members.required_text("model");
    if (const auto read = read_messages(members, request); !read) {
        return propagate(read);
    }
    if (const auto read = read_tools(members, request); !read) {
        return propagate(read);
    }
    read_tool_choice(members, request);
    request.stream = members.boolean("stream").value_or(false);
    request.include_usage = request.stream;  // always told in this dialect
    request.max_tokens = members.integer("max_tokens");
    request.temperature = members.number("temperature");
    request.top_p = members.number("top_p");
    request.top_k = members.integer("top_k");
    read_stop(members, request);
    read_thinking(members, request);
    if (const Tree* metadata = members.object("metadata")) {
        Members inner{*metadata, "metadata"};
        request.user = inner.text("user_id");
        if (inner.error()) {
            return fail(*inner.error());
        }
    }
    request.extra = members.rest();
    if (members.error()) {
        return fail(*members.error());
    }
    return request;
}

Result<std::string> write_request(const ChatRequest& request, const WriteOptions& options) {
    if (const auto known = check_parts(request, Dialect::anthropic); !known) {
        return propagate(known);
    }
    if (!request.suffix.empty()) {
        return fail(ErrorCode::unprocessable, "suffix cannot be said to this provider.");
    }
    const auto settled = settle(request, options);
    if (!settled) {
        return propagate(settled);
    }
    const ChatRequest& view = *settled;
    Tree out = Tree::object();
    out["model"] = view.model;
    put(out, "max_tokens", view.max_tokens);
    if (Tree system = system_json(view.messages); !system.is_null()) {
        out["system"] = std::move(system);
    }
    out["messages"] = turns_json(view.messages);
    put_tools(out, view);
    out["stream"] = view.stream;
    put(out, "temperature", view.temperature);
    put(out, "top_p", view.top_p);
    put(out, "top_k", view.top_k);
    if (!view.stop.empty()) {
        out["stop_sequences"] = view.stop;
    }
    put_thinking(out, view);
    if (view.user) {
        out["metadata"]["user_id"] = *view.user;
    }
    for (const auto& [key, value] : view.extra) {
        if (!out.contains(key)) {
            out[key] = tree_of(value);
        }
    }
    return raw_text(out);
}

std::vector<std::string> left_out(const ChatRequest& request, const WriteOptions& options) {
    auto view = settle(request, options);
    return view ? std::move(view->dropped) : std::vector<std::string>{};
}

}  // namespace nova::dialect::anthropic

// Defaults and limits of a provider, applied to a request.
#include "dialect/provider_view.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/openai_request.hpp"

namespace nova::dialect {
namespace {

using namespace std::string_view_literals;

template <class T>
bool clear(std::optional<T>& member) {
    const bool had = member.has_value();
    member.reset();
    return had;
}

template <class T>
bool clear(std::vector<T>& member) {
    const bool had = !member.empty();
    member.clear();
    return had;
}

bool clear_thinking(ChatRequest& request) {
    const bool effort = clear(request.effort);
    return clear(request.think_budget) || effort;
}

bool clear_tools(ChatRequest& request) {
    clear(request.tool_choice);
    clear(request.parallel_tool_calls);
    return clear(request.tools);
}

using Clear = bool (*)(ChatRequest&);

// Members by OpenAI's names; the last ones are Ollama's.
constexpr std::array kMembers{
    std::pair{"tools"sv, Clear{clear_tools}},
    std::pair{"tool_choice"sv, Clear{[](ChatRequest& r) { return clear(r.tool_choice); }}},
    std::pair{"parallel_tool_calls"sv, Clear{[](ChatRequest& r) {
                  return clear(r.parallel_tool_calls);
              }}},
    std::pair{"max_tokens"sv, Clear{[](ChatRequest& r) { return clear(r.max_tokens); }}},
    std::pair{"max_completion_tokens"sv, Clear{[](ChatRequest& r) { return clear(r.max_tokens); }}},
    std::pair{"temperature"sv, Clear{[](ChatRequest& r) { return clear(r.temperature); }}},
    std::pair{"top_p"sv, Clear{[](ChatRequest& r) { return clear(r.top_p); }}},
    std::pair{"top_k"sv, Clear{[](ChatRequest& r) { return clear(r.top_k); }}},
    std::pair{"min_p"sv, Clear{[](ChatRequest& r) { return clear(r.min_p); }}},
    std::pair{"presence_penalty"sv, Clear{[](ChatRequest& r) {
                  return clear(r.presence_penalty);
              }}},
    std::pair{"frequency_penalty"sv, Clear{[](ChatRequest& r) {
                  return clear(r.frequency_penalty);
              }}},
    std::pair{"repeat_penalty"sv, Clear{[](ChatRequest& r) { return clear(r.repeat_penalty); }}},
    std::pair{"seed"sv, Clear{[](ChatRequest& r) { return clear(r.seed); }}},
    std::pair{"stop"sv, Clear{[](ChatRequest& r) { return clear(r.stop); }}},
    std::pair{"logprobs"sv, Clear{[](ChatRequest& r) { return clear(r.logprobs); }}},
    std::pair{"response_format"sv, Clear{[](ChatRequest& r) { return clear(r.format); }}},
    std::pair{"reasoning_effort"sv, Clear{clear_thinking}},
    std::pair{"user"sv, Clear{[](ChatRequest& r) { return clear(r.user); }}},
    std::pair{"metadata"sv, Clear{[](ChatRequest& r) { return clear(r.metadata); }}},
    std::pair{"num_ctx"sv, Clear{[](ChatRequest& r) { return clear(r.context); }}},
    std::pair{"keep_alive"sv, Clear{[](ChatRequest& r) { return clear(r.keep_alive); }}},
};

// Defaults read as the request they would make, so that every name means what it means there.
Result<ChatRequest> read_defaults(const WriteOptions& options) {
    Tree document = Tree::object();
    document["model"] = "any";
    document["messages"].push_back(Tree{{"role", "user"}, {"content", ""}});
    for (const auto& [key, value] : options.defaults) {
        document[key] = tree_of(value);
    }
    auto read = openai::read_request(raw_text(document));
    if (!read) {
        return fail(
            ErrorCode::internal,
            fmt::format("The provider's defaults cannot be used: {}", read.error().message)
        );
    }
    return read;
}

template <class T>
void lay_below(std::optional<T>& member, const std::optional<T>& below) {
    if (!member) {
        member = below;
    }
}

void lay_below(ChatRequest& request, const ChatRequest& defaults) {
    lay_below(request.tool_choice, defaults.tool_choice);
    lay_below(request.parallel_tool_calls, defaults.parallel_tool_calls);
    lay_below(request.max_tokens, defaults.max_tokens);
    lay_below(request.temperature, defaults.temperature);
    lay_below(request.top_p, defaults.top_p);
    lay_below(request.top_k, defaults.top_k);
    lay_below(request.min_p, defaults.min_p);
    lay_below(request.presence_penalty, defaults.presence_penalty);
    lay_below(request.frequency_penalty, defaults.frequency_penalty);
    lay_below(request.repeat_penalty, defaults.repeat_penalty);
    lay_below(request.seed, defaults.seed);
    lay_below(request.format, defaults.format);
    if (!request.think_budget) {
        lay_below(request.effort, defaults.effort);
    }
    lay_below(request.user, defaults.user);
    lay_below(request.metadata, defaults.metadata);
    if (request.stop.empty()) {
        request.stop = defaults.stop;
    }
    for (const auto& member : defaults.extra) {
        if (std::ranges::find(
                request.extra, member.first, &std::pair<std::string, RawJson>::first
            ) == request.extra.end()) {
            request.extra.push_back(member);
        }
    }
}

}  // namespace

bool asks_for_something(const std::pair<std::string, RawJson>& member) {
    const auto& [key, value] = member;
    return value != "null" && value != "false" && !(key == "n" && value == "1");
}

bool same_words(Dialect a, Dialect b) {
    const auto plain = [](Dialect dialect) {
        return dialect == Dialect::openai_text ? Dialect::openai : dialect;
    };
    return plain(a) == plain(b);
}

void leave_out(ChatRequest& request, std::string_view name) {
    const auto* const found =
        std::ranges::find(kMembers, name, &std::pair<std::string_view, Clear>::first);
    const bool had =
        found == kMembers.end()
            ? std::erase_if(
                  request.extra, [&](const auto& member) { return member.first == name; }
              ) > 0
            : found->second(request);
    if (had) {
        request.dropped.emplace_back(name);
    }
}

Result<ChatRequest>
provider_view(const ChatRequest& request, const WriteOptions& options, Dialect dialect) {
    ChatRequest view = request;
    view.dropped.clear();
    if (!options.model.empty()) {
        view.model = options.model;
    }
    if (!same_words(request.from, dialect)) {
        for (const auto& member : view.extra) {
            if (asks_for_something(member)) {
                view.dropped.push_back(member.first);
            }
        }
        view.extra.clear();
    }
    if (!options.defaults.empty()) {
        const auto defaults = read_defaults(options);
        if (!defaults) {
            return propagate(defaults);
        }
        lay_below(view, *defaults);
    }
    for (const std::string& name : options.unsupported) {
        leave_out(view, name);
    }
    return view;
}

Result<void> check_parts(const ChatRequest& request, Dialect dialect) {
    if (same_words(request.from, dialect)) {
        return {};
    }
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
        for (const Part& part : request.messages[i].content) {
            if (part.kind == Part::Kind::other) {
                return fail(
                    ErrorCode::unprocessable,
                    fmt::format(
                        "messages[{}] holds content of type `{}`, which this provider's API has no "
                        "word for.",
                        i, text_of(member(tree_of(part.raw), "type"))
                    )
                );
            }
        }
    }
    return {};
}

}  // namespace nova::dialect

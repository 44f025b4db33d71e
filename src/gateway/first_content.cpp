// What the first events of each dialect look like.
#include "gateway/first_content.hpp"

#include <algorithm>
#include <initializer_list>

#include "core/text.hpp"
#include "gateway/json_scan.hpp"

namespace nova::gateway {
namespace {

using dialect::Dialect;

bool contains(std::string_view text, std::string_view what) {
    return text.find(what) != std::string_view::npos;
}

bool any_value(std::string_view event, std::initializer_list<std::string_view> names) {
    return std::ranges::any_of(names, [event](auto name) { return has_value(event, name); });
}

bool any_text(std::string_view event, std::initializer_list<std::string_view> texts) {
    return std::ranges::any_of(texts, [event](auto text) { return contains(event, text); });
}

bool is_done(std::string_view event) {
    return event.starts_with("data: [DONE]") || event.starts_with("data:[DONE]");
}

EventKind of_openai(std::string_view event) {
    if (any_value(
            event, {R"("content")", R"("reasoning_content")", R"("reasoning")", R"("tool_calls")",
                    R"("refusal")", R"("function_call")", R"("audio")", R"("finish_reason")"}
        ) ||
        is_done(event)) {
        return EventKind::content;
    }
    return EventKind::neutral;
}

EventKind of_text(std::string_view event) {
    return any_value(event, {R"("text")", R"("finish_reason")"}) || is_done(event)
               ? EventKind::content
               : EventKind::neutral;
}

// An event's name and its JSON, from the first brace on: Gemini puts its error into a list.
struct Parts {
    std::string_view name{};
    std::string_view json{};
};

Parts parts_of(std::string_view event, Framing framing) {
    Parts parts;
    std::string_view data = framing == Framing::lines ? event : std::string_view{};
    for (std::size_t at = 0; framing == Framing::events && at < event.size();) {
        const std::size_t end = std::min(event.find_first_of("\r\n", at), event.size());
        const std::string_view line = event.substr(at, end - at);
        if (line.starts_with("event:")) {
            parts.name = trimmed(line.substr(6));
        } else if (line.starts_with("data:") && data.empty()) {
            data = event.substr(at);
        }
        at = end + 1;
    }
    if (const std::size_t brace = data.find('{'); brace != std::string_view::npos) {
        parts.json = data.substr(brace);
    }
    return parts;
}

// Of the event itself. Further in, a member of that name may be anything: a parameter of a tool
// that the event repeats, or an argument a model wrote.
bool tells_of_error(const Parts& parts) {
    return parts.name == "error" || has_outer_value(parts.json, R"("error")");
}

// "response.created"; the name of the event where its JSON says nothing.
std::string_view type_of(const Parts& parts) {
    const std::size_t at = find_outer_value(parts.json, R"("type")");
    if (at == std::string_view::npos || parts.json[at] != '"') {
        return parts.name;
    }
    const std::string_view rest = parts.json.substr(at + 1);
    return rest.substr(0, rest.find('"'));
}

// The whole response, as the first events repeat it, holds an error of its own.
bool has_failed_response(std::string_view json) {
    const std::size_t at = find_outer_value(json, R"("response")");
    return at != std::string_view::npos && json[at] == '{' &&
           has_outer_value(json.substr(at), R"("error")");
}

EventKind of_responses(const Parts& parts) {
    const std::string_view type = type_of(parts);
    if (type == "error" || type == "response.failed" || has_failed_response(parts.json)) {
        return EventKind::error;
    }
    const bool prelude = type == "response.created" || type == "response.in_progress" ||
                         type == "response.queued" || type == "keepalive";
    return parts.json.empty() || prelude ? EventKind::neutral : EventKind::content;
}

EventKind of_anthropic(std::string_view event) {
    return any_text(
               event, {"content_block_delta", "\"tool_use\"", "\"redacted_thinking\"",
                       "message_delta", "message_stop"}
           )
               ? EventKind::content
               : EventKind::neutral;
}

EventKind of_ollama(std::string_view event) {
    return any_value(
               event,
               {R"("content")", R"("response")", R"("thinking")", R"("tool_calls")", R"("done")"}
           )
               ? EventKind::content
               : EventKind::neutral;
}

// A neutral event that only says that somebody is still there: comments, empty lines, a ping.
bool is_keep_alive(std::string_view event) {
    if (event.starts_with("event: ping") || any_text(event, {R"("ping")", R"("keepalive")"})) {
        return true;
    }
    while (!event.empty()) {
        const std::size_t size = std::min(event.find_first_of("\r\n"), event.size());
        if (size > 0 && event.front() != ':') {
            return false;
        }
        event.remove_prefix(std::min(size + 1, event.size()));
    }
    return true;
}

}  // namespace

Framing framing_of(Dialect dialect) {
    return dialect == Dialect::ollama || dialect == Dialect::ollama_generate ? Framing::lines
                                                                             : Framing::events;
}

std::size_t first_event(std::string_view bytes, Framing framing) {
    if (framing == Framing::lines) {
        const std::size_t end = bytes.find('\n');
        return end == std::string_view::npos ? 0 : end + 1;
    }
    // A line end that is followed by another one.
    for (std::size_t at = bytes.find_first_of("\r\n"); at < bytes.size();
         at = bytes.find_first_of("\r\n", at)) {
        at += bytes.substr(at, 2) == "\r\n" ? 2 : 1;
        if (at < bytes.size() && (bytes[at] == '\n' || bytes[at] == '\r')) {
            return at + (bytes.substr(at, 2) == "\r\n" ? 2 : 1);
        }
    }
    return 0;
}

EventKind kind_of_event(Dialect dialect, Operation operation, std::string_view event) {
    const Parts parts = parts_of(event, framing_of(dialect));
    // Nobody sends both content and a true "error" (trap 64); OpenRouter sends an empty delta
    // beside it.
    if (tells_of_error(parts)) {
        return EventKind::error;
    }
    if (operation == Operation::responses) {
        return of_responses(parts);
    }
    switch (dialect) {
    case Dialect::openai:
        return of_openai(event);
    case Dialect::openai_text:
        return of_text(event);
    case Dialect::anthropic:
        return of_anthropic(event);
    case Dialect::ollama:
    case Dialect::ollama_generate:
        return of_ollama(event);
    case Dialect::nova:
        break;
    }
    return EventKind::content;
}

FirstContent::FirstContent(Dialect dialect, Operation operation)
    : dialect_{dialect}, operation_{operation}, framing_{framing_of(dialect)} {}

FirstContent::Verdict FirstContent::take(std::string_view piece) {
    if (held_.empty()) {
        bytes_ = piece;
    } else {
        held_.append(piece);
        bytes_ = held_;
    }
    while (const std::size_t size = first_event(bytes_.substr(seen_), framing_)) {
        const std::string_view event = bytes_.substr(seen_, size);
        seen_ += size;
        switch (kind_of_event(dialect_, operation_, event)) {
        case EventKind::content:
            return Verdict::commit;
        case EventKind::error: {
            const std::size_t begin = event.find('{');
            const std::size_t end = event.rfind('}');
            error_ = begin < end && end != std::string_view::npos
                         ? event.substr(begin, end + 1 - begin)
                         : event;
            return Verdict::failed;
        }
        case EventKind::neutral:
            break;
        }
        // Who waits for its turn at a busy provider gets many of them, and then perhaps an error.
        if (is_keep_alive(event)) {
            kept_alive_ = true;
        } else if (++events_ >= kEvents) {
            return Verdict::commit;
        }
    }
    if (bytes_.size() >= kBytes) {
        return Verdict::commit;
    }
    if (held_.empty()) {
        held_.assign(piece);
        bytes_ = held_;
    }
    return Verdict::hold;
}

}  // namespace nova::gateway

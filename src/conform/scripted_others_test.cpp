// What the scripted endpoint says in Anthropic's and in Ollama's dialect.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/scripted_endpoint.hpp"
#include "conform/talk.hpp"
#include "core/json.hpp"
#include "net/sse.hpp"

namespace nova::conform::testing {
namespace {

std::string event_of(Json data, bool named) {
    const std::string name = named ? text_at(data, "type") : std::string{};
    return net::sse_event(name, json_text(data));
}

Said sentence(int status, std::string_view text) {
    return {.status = status, .body = json_text(Json{{"error", text}})};
}

}  // namespace

Said Script::messages(const Heard& heard) {
    const auto request = parse_json(heard.body, "The body");
    if (!request || !at(*request, "messages").is_array()) {
        if (has("anthropic.errors")) {
            return refused(400, "", "That is wrong.");
        }
        const Json error{{"type", "invalid_request_error"}, {"message", "That is wrong."}};
        return {.status = 400, .body = json_text(Json{{"type", "error"}, {"error", error}})};
    }
    const auto tokens = at(*request, "max_tokens").get<unsigned>();
    if (at(*request, "stream") == true) {
        return message_stream("one two three", tokens);
    }
    const bool cut = tokens < 5 && !has("anthropic.stop-reason");
    Json body{
        {"id", "msg_1"},
        {"type", "message"},
        {"content", Json::array({Json{{"type", "text"}, {"text", "one"}}})},
        {"stop_reason", cut ? "max_tokens" : "end_turn"},
        {"usage", {{"input_tokens", 7}, {"output_tokens", 3}}}
    };
    if (!has("anthropic.answer")) {
        body["role"] = "assistant";
    }
    return {.body = json_text(body)};
}

Said Script::message_stream(const std::string& text, unsigned tokens) const {
    const bool named = !has("anthropic.event-names");
    const Json usage{{"input_tokens", 7}, {"output_tokens", 1}};
    const Json start{{"id", "msg_2"}, {"type", "message"}, {"role", "assistant"}, {"usage", usage}};
    const Json block{{"type", "text"}, {"text", ""}};
    const Json delta{{"type", "text_delta"}, {"text", text}};
    Json end{{"type", "message_delta"}, {"delta", {{"stop_reason", "end_turn"}}}};
    if (!has("anthropic.usage")) {
        end["usage"] = {{"output_tokens", tokens}};
    }
    std::string out = event_of({{"type", "message_start"}, {"message", start}}, named);
    out += event_of({{"type", "ping"}}, named);
    out +=
        event_of({{"type", "content_block_start"}, {"index", 0}, {"content_block", block}}, named);
    out += event_of({{"type", "content_block_delta"}, {"index", 0}, {"delta", delta}}, named);
    out += event_of({{"type", "content_block_stop"}, {"index", 0}}, named);
    out += event_of(std::move(end), named);
    if (!has("anthropic.order")) {
        out += event_of({{"type", "message_stop"}}, named);
    }
    out += has("anthropic.no-done") ? "data: [DONE]\n\n" : "";
    return {.type = "text/event-stream", .body = std::move(out), .streamed = true};
}

Said Script::ollama(const Heard& heard) {
    if (heard.target == "/api/chat") {
        return ollama_chat(heard);
    }
    if (heard.target == "/api/version") {
        return {.body = has("ollama.version") ? "{}" : R"({"version":"0.0.1"})"};
    }
    if (heard.target == "/api/tags") {
        Json model{{"name", kModel}, {"model", kModel}, {"size", 1000}};
        if (!has("ollama.tags")) {
            model["details"] = {{"format", "gguf"}};
        }
        return {.body = json_text(Json{{"models", Json::array({std::move(model)})}})};
    }
    const auto request = parse_json(heard.body, "The body");
    if (!request) {
        return sentence(400, "That is no JSON.");
    }
    if (heard.target == "/api/show") {
        const std::string name = text_at(*request, "model");
        const bool tagged = name.ends_with(":latest");
        if (!kModel.starts_with(name) || (!tagged && has("ollama.latest"))) {
            return sentence(404, "There is no such model.");
        }
        Json body{{"details", {{"format", "gguf"}}}};
        if (!has("ollama.show")) {
            body["capabilities"] = Json::array({"completion"});
        }
        return {.body = json_text(body)};
    }
    if (heard.target == "/api/embed") {
        Json rows = Json::array();
        for (std::size_t i = 0; i < at(*request, "input").size(); ++i) {
            rows.push_back({0.5, 0.25 + static_cast<double>(i)});
        }
        if (has("ollama.embed")) {
            rows.erase(rows.begin());
        }
        return {.body = json_text(Json{{"embeddings", std::move(rows)}})};
    }
    return sentence(404, "There is no such path.");
}

Said Script::ollama_chat(const Heard& heard) {
    const auto parsed = parse_json(heard.body, "The body");
    if (!parsed || !at(*parsed, "messages").is_array()) {
        return has("ollama.errors") ? refused(400, "", "That is wrong.")
                                    : sentence(400, "That is wrong.");
    }
    const Json& request = *parsed;
    if (text_at(request, "model") != kModel && !has("ollama.unknown-model")) {
        return sentence(404, "There is no such model.");
    }
    if (has("ollama.keep-alive") && at(request, "keep_alive").is_number()) {
        return sentence(400, "keep_alive must be a text.");
    }
    Json message{{"role", "assistant"}, {"content", "one two three"}};
    if (at(request, "tools").is_array()) {
        const Json object{{"city", "Paris"}};
        const Json arguments = has("ollama.tools") ? Json(json_text(object)) : object;
        const Json function{{"name", "weather"}, {"arguments", arguments}};
        message["tool_calls"] = Json::array({Json{{"function", function}}});
    }
    if (at(request, "stream") != false) {
        return ollama_stream("one two three");
    }
    Json body{{"model", kModel}, {"message", std::move(message)}, {"done_reason", "stop"}};
    if (!has("ollama.whole")) {
        body["done"] = true;
    }
    return {.body = json_text(body)};
}

Said Script::ollama_stream(const std::string& text) const {
    const std::string_view model = has("ollama.model") ? "other" : kModel;
    std::string out;
    for (const std::size_t half : {std::size_t{0}, text.size() / 2}) {
        const Json message{
            {"role", "assistant"}, {"content", text.substr(half, text.size() / 2 + 1)}
        };
        out += json_text(Json{{"model", model}, {"message", message}, {"done", false}}) + "\n";
        out += has("ollama.lines") && half == 0 ? "oops\n" : "";
    }
    Json last{
        {"model", model}, {"message", {{"role", "assistant"}, {"content", ""}}}, {"done", true}
    };
    if (!has("ollama.done")) {
        last["done_reason"] = "stop";
    }
    if (!has("ollama.usage")) {
        last["prompt_eval_count"] = 7;
        last["eval_count"] = 3;
    }
    out += json_text(last) + "\n";
    const bool plain = has("ollama.stream-default");
    return {
        .type = plain ? "application/json" : "application/x-ndjson",
        .body = std::move(out),
        .streamed = true
    };
}

}  // namespace nova::conform::testing

// What the scripted endpoint says: routes, keys and OpenAI's dialect.
#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/scripted_endpoint.hpp"
#include "conform/talk.hpp"
#include "core/json.hpp"
#include "dialect/json_text.hpp"
#include "net/sse.hpp"

namespace nova::conform::testing {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

std::string prompt_of(const Json& request) {
    const Json& messages = at(request, "messages");
    const Json& content = at(at(messages, messages.empty() ? 0 : messages.size() - 1), "content");
    return content.is_string() ? content.get<std::string>() : std::string{};
}

std::string answer_to(const std::string& prompt) {
    const auto colon = prompt.find(": ");
    return prompt.starts_with("Repeat") && colon != std::string::npos ? prompt.substr(colon + 2)
                                                                      : "one two three";
}

Json usage_of(unsigned tokens, unsigned error) {
    return {
        {"prompt_tokens", 7}, {"completion_tokens", tokens}, {"total_tokens", 7 + tokens + error}
    };
}

std::vector<float> vector_of(const std::string& text) {
    std::vector<float> row(8, 0.5F);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        row[(i * 5 + byte) % row.size()] +=
            static_cast<float>(byte) * (i % 2 == 0 ? 0.125F : -0.25F);
    }
    return row;
}

bool asks_long(const Json& request) {
    const Json& limit = at(request, "max_tokens");
    return limit.is_number() && limit.get<int>() >= 512;
}

}  // namespace

Said Script::refused(int status, std::string code, std::string sentence) const {
    Json error{
        {"message", std::move(sentence)},
        {"type", "invalid_request_error"},
        {"code", code.empty() ? Json() : Json(code)}
    };
    if (!has("error.members")) {
        error["param"] = nullptr;
    }
    return {.status = status, .body = json_text(Json{{"error", std::move(error)}})};
}

bool Script::knows(const Heard& heard) const {
    const bool anthropic = heard.target == "/v1/messages";
    if (has(anthropic ? "anthropic.wrong-key" : "edge.wrong-key") && heard.method == "POST") {
        return true;
    }
    return heard.field("authorization") == fmt::format("Bearer {}", kKey) ||
           heard.field("x-api-key") == kKey;
}

Said Script::answer(const Heard& heard) {
    Said said = route(heard);
    if (has("edge.request-id") && heard.fields.contains("x-request-id")) {
        said.fields.emplace_back("X-Request-Id", heard.field("x-request-id"));
    }
    if (heard.fields.contains("origin")) {
        said.fields.emplace_back("Access-Control-Allow-Origin", "*");
        if (has("edge.cors")) {
            said.fields.emplace_back("Access-Control-Allow-Credentials", "true");
        }
    }
    return said;
}

Said Script::route(const Heard& heard) {
    const std::string path = heard.target.substr(0, heard.target.find('?'));
    if (heard.method == "OPTIONS") {
        return {.status = 204};
    }
    if (has("edge.authorization") && heard.field("authorization") == "Bearer") {
        return {.drop = true};
    }
    if (has("edge.query") && path != heard.target) {
        return refused(404, "", "There is no such path.");
    }
    if (!knows(heard) && heard.target == "/v1/messages") {
        const Json error{{"type", "authentication_error"}, {"message", "The key is wrong."}};
        return {.status = 401, .body = json_text(Json{{"type", "error"}, {"error", error}})};
    }
    if (!knows(heard)) {
        return refused(401, "invalid_api_key", "The key is wrong.");
    }
    if (heard.field("content-encoding") == "gzip") {
        return has("limits.gzip-request")
                   ? refused(400, "", "The body is no JSON.")
                   : refused(415, "", "Content-Encoding gzip is not understood.");
    }
    if (has("limits.large-body") && heard.body.size() > 1024U * 1024U) {
        return refused(413, "", "The body is too large.");
    }
    if (path == "/v1/chat/completions") {
        return openai_chat(heard);
    }
    if (path == "/v1/messages") {
        return messages(heard);
    }
    if (path == "/v1/embeddings") {
        return embeddings(heard);
    }
    if (path.starts_with("/v1/models")) {
        return models(path);
    }
    if (path.starts_with("/api/")) {
        return ollama(heard);
    }
    if (has("error.unknown-route")) {
        return {.status = 404, .type = "text/plain", .body = "404 page not found"};
    }
    return refused(404, "", "There is no such path.");
}

Said Script::long_one(const std::string& prompt, bool streamed) {
    stuck_ = (has("cancel.stream") && prompt.starts_with("Count from 1 to 500")) ||
             (has("cancel.early") && prompt.starts_with("List")) ||
             (has("cancel.unary") && prompt.starts_with("Write all"));
    Said said{.waits_for_goodbye = true};
    said.streamed = streamed;
    said.body = streamed ? net::sse_event("", R"({"choices":[]})") : "";
    return said;
}

Said Script::openai_chat(const Heard& heard) {
    const auto parsed = parse_json(heard.body, "The body");
    if (!parsed) {
        const bool deep = heard.body.find("[[[[[[[[") != std::string::npos;
        if (deep && has("error.deep-json")) {
            return {.drop = true};
        }
        return refused(
            !deep && has("error.malformed-json") ? 500 : 400, "", parsed.error().message
        );
    }
    const Json& request = *parsed;
    const Json& list = at(request, "messages");
    const bool stream = at(request, "stream") == true;
    if (request.is_object() && list.is_null()) {
        return refused(has("error.missing-messages") ? 422 : 400, "", "messages is missing.");
    }
    if (stream && !list.is_array() && has("stream.refusal")) {
        return {
            .type = "text/event-stream",
            .body = net::sse_event("", R"({"error":{"message":"no"}})"),
            .streamed = true
        };
    }
    if (!list.is_array()) {
        return refused(has("error.wrong-types") ? 422 : 400, "", "messages must be a list.");
    }
    if (text_at(request, "model") != kModel && !has("error.unknown-model")) {
        return refused(404, "model_not_found", "There is no such model.");
    }
    const bool disliked =
        (has("request.null-members") && request.contains("stream") && !stream &&
         at(request, "stream").is_null()) ||
        (has("request.null-content") && list.size() > 1 && at(list[1], "content").is_null()) ||
        (has("request.text-parts") && at(list[0], "content").is_array()) ||
        (has("request.unknown-fields") && request.contains("x_conform")) ||
        (has("request.developer-role") && text_at(list[0], "role") == "developer");
    if (disliked) {
        return refused(400, "", "That is not understood.");
    }
    if (has("request.stream-options") && request.contains("stream_options") && !stream) {
        return refused(500, "", "stream_options without stream.");
    }
    const std::string prompt = prompt_of(request);
    if (asks_long(request)) {
        return long_one(prompt, stream);
    }
    if (std::exchange(stuck_, false)) {
        return {.drop = true};
    }
    if (at(request, "tools").is_array()) {
        return tool_call(request);
    }
    const Json& old_limit = at(request, "max_tokens");
    const Json& new_limit = at(request, "max_completion_tokens");
    const bool old_wins = old_limit.is_number() && has("request.both-limits");
    const bool new_ignored = !old_limit.is_number() && has("request.max-completion-tokens");
    unsigned tokens = 20;
    if (new_limit.is_number() && !old_wins && !new_ignored) {
        tokens = std::min(tokens, new_limit.get<unsigned>());
    } else if (old_limit.is_number()) {
        tokens = std::min(tokens, old_limit.get<unsigned>());
    }
    return stream ? openai_stream(request, answer_to(prompt), tokens)
                  : openai_whole(request, answer_to(prompt), tokens);
}

Said Script::openai_whole(const Json& request, const std::string& text, unsigned tokens) {
    Json choice{{"index", 0}, {"message", {{"role", "assistant"}, {"content", text}}}};
    if (!has("answer.shape")) {
        choice["finish_reason"] = "stop";
    }
    const Json body{
        {"id", "chatcmpl-1"},
        {"object", "chat.completion"},
        {"created", 1'700'000'000},
        {"model", has("answer.model") ? Json("other") : at(request, "model")},
        {"choices", Json::array({std::move(choice)})},
        {"usage", usage_of(tokens, has("answer.usage") ? 1 : 0)}
    };
    return {.body = json_text(body)};
}

Said Script::openai_stream(const Json& request, const std::string& text, unsigned tokens) {
    unsigned number = 0;
    std::string out;
    const auto send = [&](Json choices, Json usage) {
        ++number;
        Json chunk{
            {"id", has("stream.identity") ? fmt::format("c-{}", number) : "chatcmpl-2"},
            {"object", "chat.completion.chunk"},
            {"created", 1'700'000'000 + (has("stream.created") ? number : 0)},
            {"model", has("stream.model") ? Json("other") : at(request, "model")},
            {"choices", std::move(choices)}
        };
        if (!usage.is_null()) {
            chunk["usage"] = std::move(usage);
        }
        out += net::sse_event("", json_text(chunk));
    };
    const auto delta = [](Json what, Json reason) {
        return Json::array(
            {Json{{"index", 0}, {"delta", std::move(what)}, {"finish_reason", std::move(reason)}}}
        );
    };
    const bool metered = within(request, {"stream_options", "include_usage"}) == true;
    Json first{{"content", ""}};
    if (!has("stream.role")) {
        first["role"] = "assistant";
    }
    send(delta(std::move(first), nullptr), nullptr);
    out += ": a comment\r\n\r\n";
    out += has("stream.grammar") ? "nonsense\n\n" : "";
    if (metered && has("stream.choices")) {
        send(nullptr, nullptr);
    }
    std::string said = text;
    if (has("stream.utf8") && said.size() > 3 && said[0] < 0) {
        said = "a" + std::string{kReplacement} + said.substr(3);
    }
    send(delta({{"content", said}}, nullptr), nullptr);
    const bool odd_text = text.find("[DONE]") != std::string::npos;
    const Json usage = usage_of(tokens, has("stream.usage-numbers") ? 1 : 0);
    const bool too_early = metered && has("stream.usage-asked");
    if (!odd_text || !has("stream.done-in-text")) {
        const bool never = has("stream.finish-reason") && !odd_text;
        send(delta(Json::object(), never ? Json() : Json("stop")), too_early ? usage : Json());
    }
    if ((metered && !too_early) || (!metered && has("stream.usage-unasked"))) {
        send(Json::array(), usage);
    }
    out += has("stream.done") ? "" : "data: [DONE]\n\n";
    Said answer{
        .type = has("stream.content-type") ? "text/plain" : "text/event-stream",
        .body = std::move(out),
        .streamed = true
    };
    if (!has("stream.unbuffered")) {
        answer.fields.emplace_back("Cache-Control", "no-cache");
    }
    return answer;
}

Said Script::tool_call(const Json& request) {
    const std::string arguments = R"({"city":"Paris"})";
    if (at(request, "stream") != true) {
        const Json call{
            {"id", "call_1"},
            {"type", "function"},
            {"function",
             {{"name", "weather"},
              {"arguments", has("tools.whole") ? Json{{"city", "Paris"}} : Json(arguments)}}}
        };
        const Json message{
            {"role", "assistant"}, {"content", nullptr}, {"tool_calls", Json::array({call})}
        };
        const Json choice{{"index", 0}, {"message", message}, {"finish_reason", "tool_calls"}};
        return {.body = json_text(Json{{"choices", Json::array({choice})}})};
    }
    const int index = has("tools.stream") ? 1 : 0;
    const auto event = [](Json delta, Json reason) {
        const Json choice{
            {"index", 0}, {"delta", std::move(delta)}, {"finish_reason", std::move(reason)}
        };
        return net::sse_event("", json_text(Json{{"choices", Json::array({choice})}}));
    };
    const Json begin{
        {"index", index}, {"id", "call_1"}, {"function", {{"name", "weather"}, {"arguments", ""}}}
    };
    const Json front{{"index", index}, {"function", {{"arguments", arguments.substr(0, 5)}}}};
    const Json back{{"index", index}, {"function", {{"arguments", arguments.substr(5)}}}};
    return {
        .type = "text/event-stream",
        .body = event({{"tool_calls", Json::array({begin})}}, nullptr) +
                event({{"tool_calls", Json::array({front})}}, nullptr) +
                event({{"tool_calls", Json::array({back})}}, nullptr) +
                event(Json::object(), "tool_calls") + "data: [DONE]\n\n",
        .streamed = true
    };
}

Said Script::models(const std::string& target) {
    const auto entry = [this](std::string_view id) {
        Json model{{"id", id}, {"object", "model"}, {"owned_by", "conform"}};
        if (!has("models.list")) {
            model["created"] = 1'700'000'000;
        }
        return model;
    };
    if (target == "/v1/models") {
        Json data = Json::array({entry(kModel), entry(kEmbedder)});
        if (has("models.unique")) {
            data.push_back(entry(kEmbedder));
        }
        return {.body = json_text(Json{{"object", "list"}, {"data", std::move(data)}})};
    }
    if (target.find("%2e") != std::string::npos) {
        return has("edge.dot-segments") ? Said{.body = "root:x:0:0"}
                                        : refused(404, "", "There is no such path.");
    }
    std::string id = target.substr(std::string_view{"/v1/models/"}.size());
    if ((has("models.retrieve") && id == kModel) ||
        (has("models.retrieve-escaped") && id.find("%2F") != std::string::npos)) {
        return refused(404, "model_not_found", "There is no such model.");
    }
    for (const auto& [escaped, plain] : std::array<std::pair<std::string_view, char>, 4>{
             {{"%2F", '/'}, {"%3A", ':'}, {"%2D", '-'}, {"%2E", '.'}}
         }) {
        for (auto found = id.find(escaped); found != std::string::npos; found = id.find(escaped)) {
            id.replace(found, escaped.size(), 1, plain);
        }
    }
    if (id == kModel || id == kEmbedder || has("models.retrieve-unknown")) {
        return {.body = json_text(entry(id))};
    }
    return refused(404, "model_not_found", "There is no such model.");
}

Said Script::embeddings(const Heard& heard) {
    const auto request = parse_json(heard.body, "The body");
    if (!request) {
        return refused(400, "", "The body is no JSON.");
    }
    const Json& input = at(*request, "input");
    Json texts = input.is_string() ? Json::array({input}) : input;
    if (has("embed.order") && texts.size() > 1) {
        std::ranges::reverse(texts);
    }
    if (has("embed.single") && input.is_string()) {
        texts.push_back("another");
    }
    Json data = Json::array();
    for (const Json& text : texts) {
        std::vector<float> row = vector_of(text.get<std::string>());
        Json value = row;
        if (text_at(*request, "encoding_format") == "base64") {
            if (has("embed.base64")) {
                for (float& number : row) {
                    number =
                        std::bit_cast<float>(std::byteswap(std::bit_cast<std::uint32_t>(number)));
                }
            }
            value = dialect::base64_of_floats(row);
        }
        data.push_back(
            {{"object", "embedding"}, {"index", data.size()}, {"embedding", std::move(value)}}
        );
    }
    return {.body = json_text(Json{{"object", "list"}, {"data", std::move(data)}})};
}

}  // namespace nova::conform::testing

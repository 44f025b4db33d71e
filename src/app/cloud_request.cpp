// Small whole requests by net::fetch.
#include "app/cloud_request.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "net/http_client.hpp"

namespace nova::app {
namespace {

using namespace std::chrono_literals;
using gateway::Upstream;

constexpr auto kAskLimit = 15s;
constexpr std::size_t kMostBytes = 16U * 1024U * 1024U;  // OpenRouter's list has some megabytes
constexpr std::size_t kMostQuoted = 200;

net::FetchRequest request_to(const Upstream& upstream, const CloudLine& line) {
    net::FetchRequest request;
    request.endpoint = upstream.endpoint;
    request.headers.emplace_back("Accept", "application/json");
    request.headers.emplace_back("User-Agent", "nova");
    for (const auto& header : upstream.headers) {
        request.headers.push_back(header);
    }
    if (!upstream.auth_header_name.empty()) {
        request.headers.emplace_back(
            upstream.auth_header_name, upstream.auth_header_value.reveal()
        );
    }
    request.deadline = Deadline::in(line.clock, kAskLimit);
    request.body_limit = kMostBytes;
    return request;
}

std::unexpected<Error> failed(std::string message, std::string word, std::string remedy = {}) {
    return fail(Error{
        .code = ErrorCode::upstream_failed,
        .message = std::move(message),
        .word = std::move(word),
        .remedy = std::move(remedy),
    });
}

// What it says of itself, short and in one line.
std::string sentence_in(std::string_view body) {
    const auto json = parse_json(body, "The answer");
    std::string text;
    if (json && json->is_object()) {
        const auto error = json->find("error");
        const Json& told = error != json->end() ? *error : *json;
        if (told.is_string()) {
            text = told.get<std::string>();
        } else if (told.is_object() && told.contains("message") && told["message"].is_string()) {
            text = told["message"].get<std::string>();
        }
    }
    text.resize(std::min(text.size(), kMostQuoted));
    for (char& c : text) {
        c = static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return text.empty() ? "" : ": " + text;
}

Result<void> look_at(const Upstream& upstream, const net::FetchResponse& answer) {
    const std::string said = fmt::format(
        "{} answered HTTP {}{}", upstream.provider, answer.status, sentence_in(answer.body)
    );
    if (answer.status >= 200 && answer.status < 300) {
        return {};
    }
    if (answer.status == 401 || answer.status == 403) {
        return failed(
            said, "upstream_auth_error",
            fmt::format(
                "Give it the right key: nova providers add {} --key-file FILE", upstream.provider
            )
        );
    }
    if (answer.status >= 300 && answer.status < 400) {
        return failed(
            said + "; redirects are not followed", "redirected",
            "Configure the address it redirects to, if you trust that."
        );
    }
    return failed(said, answer.status == 404 || answer.status == 405 ? "not_there" : "http_error");
}

}  // namespace

Task<Result<std::vector<std::string>>> ask_models(
    gateway::LeavePermit permit, CloudLine line, std::shared_ptr<const Upstream> upstream,
    const gateway::ProviderRow& row
) {
    NOVA_CHECK(permit.upstream() == upstream->id);
    const std::string strip = row.models_strip;
    net::FetchRequest request = request_to(*upstream, line);
    request.target = (row.models_from_root ? "" : upstream->base_path) + row.models_path;
    const auto answer = co_await net::fetch(line.clock, std::move(request), line.tls);
    if (!answer) {
        co_return propagate(answer);
    }
    if (const auto fine = look_at(*upstream, *answer); !fine) {
        Error error = fine.error();
        if (error.word == "not_there") {
            error.word = "no_model_list";
        }
        co_return fail(std::move(error));
    }
    co_return gateway::model_ids_from(answer->body, strip);
}

Task<Result<void>> ask_one_token(
    gateway::LeavePermit permit, CloudLine line, std::shared_ptr<const Upstream> upstream
) {
    NOVA_CHECK(permit.upstream() == upstream->id);
    if (upstream->default_model.empty()) {
        co_return fail(
            ErrorCode::precondition,
            fmt::format("{} lists no models and has no default model to try.", upstream->provider),
            fmt::format("Name one: nova providers add {} --model-default MODEL", upstream->provider)
        );
    }
    const bool anthropic = upstream->speaks == dialect::Dialect::anthropic;
    const bool newer = upstream->options.max_completion_tokens;
    net::FetchRequest request = request_to(*upstream, line);
    request.method = "POST";
    request.target = upstream->base_path + (anthropic ? "/messages" : "/chat/completions");
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = json_text(Json{
        {"model", upstream->default_model},
        {newer ? "max_completion_tokens" : "max_tokens", 1},
        {"messages", Json::array({Json{{"role", "user"}, {"content", "hi"}}})},
    });
    const auto answer = co_await net::fetch(line.clock, std::move(request), line.tls);
    if (!answer) {
        co_return propagate(answer);
    }
    co_return look_at(*upstream, *answer);
}

}  // namespace nova::app

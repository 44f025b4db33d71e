// The few requests nova itself makes to an engine.
#include "lifecycle/engine_client.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "net/dial.hpp"
#include "net/sha256.hpp"
#include "net/upstream.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::chrono::seconds kShowLimit{30};
// Reading weights from a slow disk; the machine's own limit ends a load that makes no progress.
constexpr std::chrono::hours kLoadLimit{6};
constexpr std::size_t kPiece = 4U * 1024U * 1024U;  // hashed or sent before others get a turn

std::string excerpt(const std::string& body) {
    const auto value = parse_json(body, "answer");
    if (value && value->is_object() && value->contains("error")) {
        const Json& error = (*value)["error"];
        if (error.is_string()) {
            return error.get<std::string>();
        }
        if (error.is_object() && error.contains("message") && error["message"].is_string()) {
            return error["message"].get<std::string>();
        }
    }
    return body.substr(0, 200);
}

Error refused(std::string_view what, const net::FetchResponse& answer) {
    const bool bad = answer.status >= 400 && answer.status < 500;
    return Error{
        .code = bad ? ErrorCode::unprocessable : ErrorCode::upstream_failed,
        .message = fmt::format(
            "The engine refused to {}: HTTP {}: {}", what, answer.status, excerpt(answer.body)
        )
    };
}

}  // namespace

HttpEngineClient::HttpEngineClient(Clock& clock, net::TlsClient* tls) : clock_{clock}, tls_{tls} {}

Task<Result<net::FetchResponse>>
HttpEngineClient::get(const ProbeTarget& target, std::string path, Deadline deadline) {
    net::FetchRequest request{
        .endpoint = target.endpoint,
        .method = "GET",
        .target = target.base_path + path,
        .headers = {},
        .body = {},
        .deadline = deadline
    };
    if (!target.auth_header_name.empty() && !target.auth_header_value.empty()) {
        request.headers.emplace_back(target.auth_header_name, target.auth_header_value.reveal());
    }
    return net::fetch(clock_, std::move(request), tls_);
}

Task<Result<net::FetchResponse>> HttpEngineClient::post(
    const ProbeTarget& target, std::string path, std::string body, Deadline deadline
) {
    net::FetchRequest request{
        .endpoint = target.endpoint,
        .method = "POST",
        .target = target.base_path + path,
        .headers = {{"Content-Type", "application/json"}},
        .body = std::move(body),
        .deadline = deadline
    };
    if (!target.auth_header_name.empty() && !target.auth_header_value.empty()) {
        request.headers.emplace_back(target.auth_header_name, target.auth_header_value.reveal());
    }
    return net::fetch(clock_, std::move(request), tls_);
}

Task<ProbeResult> HttpEngineClient::probe(ProbeTarget target, Deadline deadline) {
    using Verdict = ProbeResult::Verdict;
    const auto answer = co_await get(target, target.probe.path, deadline);
    if (!answer) {
        const bool refused_connection = answer.error().code == ErrorCode::unavailable;
        co_return ProbeResult{
            .verdict = refused_connection ? Verdict::refused : Verdict::failed,
            .detail = answer.error().message,
            .progress = {}
        };
    }
    ProbeResult result{
        .verdict = Verdict::failed,
        .answered = true,
        .detail = fmt::format("HTTP {}", answer->status),
        .progress = {}
    };
    const auto& loading = target.probe.loading_statuses;
    // decisions.md 2.18: a server without a list of models is alive all the same.
    const bool no_list = target.external && (answer->status == 404 || answer->status == 405);
    if (answer->status == 200 || no_list) {
        result.verdict = Verdict::ready;
    } else if (std::ranges::find(loading, answer->status) != loading.end()) {
        result.verdict = Verdict::loading;
        result.detail += ": " + excerpt(answer->body);
    } else {
        result.detail += ": " + excerpt(answer->body);
    }
    co_return result;
}

Result<std::vector<std::string>> model_ids(std::string_view body, engine::Protocol protocol) {
    const auto value = parse_json(body, "The engine's list of models");
    const bool ollama = protocol == engine::Protocol::ollama;
    const char* list = ollama ? "models" : "data";
    const char* key = ollama ? "name" : "id";
    if (!value || !value->is_object() || !value->contains(list) || !(*value)[list].is_array()) {
        return fail(ErrorCode::upstream_failed, "The engine's list of models cannot be read.");
    }
    std::vector<std::string> ids;
    for (const Json& item : (*value)[list]) {
        // A stub of Ollama's cloud would leave the machine (decisions.md 4.8).
        if (item.is_object() && item.contains(key) && item[key].is_string() &&
            !item.contains("remote_host")) {
            ids.push_back(item[key].get<std::string>());
        }
    }
    return ids;
}

std::optional<std::uint64_t>
counter_sum(std::string_view text, const std::vector<std::string>& names) {
    std::optional<double> sum;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t name_end = std::min(line.find_first_of("{ "), line.size());
        const std::size_t value_at = line.find_last_of(' ');
        if (value_at == std::string_view::npos ||
            std::ranges::find(names, line.substr(0, name_end)) == names.end()) {
            continue;
        }
        sum =
            sum.value_or(0) + std::strtod(std::string{line.substr(value_at + 1)}.c_str(), nullptr);
    }
    if (!sum || !(*sum >= 0)) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(*sum);
}

Task<std::optional<std::uint64_t>>
HttpEngineClient::counters(ProbeTarget target, Deadline deadline) {
    if (target.probe.counters_path.empty()) {
        co_return std::nullopt;
    }
    const auto answer = co_await get(target, target.probe.counters_path, deadline);
    if (!answer || answer->status != 200) {
        co_return std::nullopt;
    }
    co_return counter_sum(answer->body, target.probe.counters);
}

Task<bool> HttpEngineClient::canary(
    ProbeTarget target, std::string api_base, std::string model, Deadline deadline
) {
    const std::string body =
        json_text(Json{{"model", model}, {"prompt", "a"}, {"max_tokens", 1}, {"temperature", 0}});
    const auto answer = co_await post(target, api_base + "/completions", body, deadline);
    co_return answer.has_value();
}

Task<Result<ServedModels>> HttpEngineClient::models(ProbeTarget target, Deadline deadline) {
    const auto answer = co_await get(target, target.probe.models_path, deadline);
    if (!answer) {
        co_return propagate(answer);
    }
    if (target.external && (answer->status == 404 || answer->status == 405)) {
        co_return ServedModels{.ids = {}, .known = false};
    }
    if (answer->status != 200) {
        co_return fail(refused("list its models", *answer));
    }
    auto ids = model_ids(answer->body, target.protocol);
    if (!ids) {
        co_return propagate(ids);
    }
    co_return ServedModels{.ids = std::move(*ids), .known = true};
}

Task<Result<void>> HttpEngineClient::load(
    ProbeTarget target, engine::ResolvedModel model, runtime::ProgressSink progress
) {
    if (target.protocol != engine::Protocol::ollama || model.id.value.empty()) {
        co_return Result<void>{};
    }
    const std::string name = json_text(Json{{"model", model.id.value}});
    const auto shown = co_await post(target, "/api/show", name, Deadline::in(clock_, kShowLimit));
    if (!shown) {
        co_return propagate(shown);
    }
    if (shown->status == 404) {
        if (model.path.empty()) {
            co_return fail(
                ErrorCode::not_found, fmt::format("Ollama does not have {}.", model.id.value),
                "Pull it first, or name a GGUF file."
            );
        }
        const auto created = co_await create_from_file(target, model, progress);
        if (!created) {
            co_return propagate(created);
        }
    } else if (shown->status != 200) {
        co_return fail(refused("show the model", *shown));
    }
    progress({.step = "load", .detail = "into memory", .done = {}, .total = {}});
    // A request without a prompt loads the model and generates nothing.
    const std::string load = json_text(Json{{"model", model.id.value}, {"stream", false}});
    const auto loaded =
        co_await post(target, "/api/generate", load, Deadline::in(clock_, kLoadLimit));
    if (!loaded) {
        co_return propagate(loaded);
    }
    // Embedding models cannot generate, and are loaded by their first request.
    const bool cannot_generate = loaded->status == 400 && loaded->body.contains("not support");
    if (loaded->status != 200 && !cannot_generate) {
        co_return fail(refused("load the model", *loaded));
    }
    co_return Result<void>{};
}

Task<Result<void>>
HttpEngineClient::unload(ProbeTarget target, std::string model, Deadline deadline) {
    if (target.protocol != engine::Protocol::ollama || model.empty()) {
        co_return Result<void>{};
    }
    // Without a prompt and to be kept for no time: nothing is generated, the model goes.
    const std::string body =
        json_text(Json{{"model", model}, {"keep_alive", 0}, {"stream", false}});
    const auto answer = co_await post(target, "/api/generate", body, deadline);
    if (!answer) {
        co_return propagate(answer);
    }
    const bool cannot_generate = answer->status == 400 && answer->body.contains("not support");
    if (answer->status != 200 && !cannot_generate) {
        co_return fail(refused("unload the model", *answer));
    }
    co_return Result<void>{};
}

namespace {

struct Upload {
    std::string path;
    std::string digest;
    std::uint64_t size = 0;
};

// Hashes in pieces, so that the control thread answers others in between.
Task<Result<std::string>>
digest_of(std::string path, std::uint64_t size, runtime::ProgressSink progress) {
    std::ifstream file{path, std::ios::binary};
    std::vector<char> piece(kPiece);
    net::Sha256 hash;
    std::uint64_t done = 0;
    while (file) {
        file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        const auto got = static_cast<std::size_t>(file.gcount());
        hash.update({piece.data(), got});
        done += got;
        progress(
            {.step = "load", .detail = "checking the file", .done = {done}, .total = Bytes{size}}
        );
        co_await asio::post(asio::use_awaitable);
    }
    if (done != size) {
        co_return fail(ErrorCode::corrupt, fmt::format("{} cannot be read to its end.", path));
    }
    co_return hash.finish();
}

Task<Result<int>>
upload(net::Connection& connection, std::string head, Upload file, runtime::ProgressSink progress) {
    const std::string_view first[] = {head};
    if (const auto sent = co_await connection.write_all(first); !sent) {
        co_return propagate(sent);
    }
    std::ifstream in{file.path, std::ios::binary};
    std::vector<char> piece(kPiece);
    std::uint64_t done = 0;
    while (done < file.size) {
        in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        const auto got = static_cast<std::size_t>(in.gcount());
        if (got == 0) {
            co_return fail(ErrorCode::corrupt, fmt::format("{} became shorter.", file.path));
        }
        const std::string_view pieces[] = {{piece.data(), got}};
        if (const auto sent = co_await connection.write_all(pieces); !sent) {
            co_return propagate(sent);
        }
        done += got;
        progress(
            {.step = "load",
             .detail = "handing it to Ollama",
             .done = {done},
             .total = Bytes{file.size}}
        );
    }
    std::string answer(4096, '\0');
    const auto got = co_await connection.read_some(answer);
    if (!got) {
        co_return propagate(got);
    }
    // "HTTP/1.1 201 Created"
    answer.resize(*got);
    co_return answer.size() > 12 ? std::atoi(answer.c_str() + 9) : 0;
}

}  // namespace

Task<Result<void>> HttpEngineClient::create_from_file(
    ProbeTarget target, engine::ResolvedModel model, runtime::ProgressSink progress
) {
    std::error_code code;
    const std::uint64_t size = std::filesystem::file_size(model.path, code);
    if (code) {
        co_return fail(
            ErrorCode::not_found, fmt::format("{} cannot be read: {}.", model.path, code.message())
        );
    }
    const auto digest = co_await digest_of(model.path, size, progress);
    if (!digest) {
        co_return propagate(digest);
    }
    const std::string blob = "/api/blobs/sha256:" + *digest;
    net::FetchRequest ask{
        .endpoint = target.endpoint,
        .method = "HEAD",
        .target = target.base_path + blob,
        .headers = {},
        .body = {},
        .deadline = Deadline::in(clock_, kShowLimit)
    };
    const auto there = co_await net::fetch(clock_, std::move(ask), tls_);
    if (!there) {
        co_return propagate(there);
    }
    if (there->status != 200) {
        auto connection =
            co_await net::dial(target.endpoint, clock_, Deadline::in(clock_, kShowLimit), tls_);
        if (!connection) {
            co_return propagate(connection);
        }
        (*connection)->expire_at(TimePoint::max());
        std::string head = fmt::format(
            "POST {}{} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            target.base_path, blob, target.endpoint.text(), size
        );
        const auto status = co_await upload(
            **connection, std::move(head), Upload{model.path, *digest, size}, progress
        );
        (*connection)->close();
        if (!status) {
            co_return propagate(status);
        }
        if (*status != 201 && *status != 200) {
            co_return fail(
                ErrorCode::upstream_failed,
                fmt::format("Ollama refused the model file with HTTP {}.", *status)
            );
        }
    }
    const std::string name = std::filesystem::path{model.path}.filename().string();
    const std::string create = json_text(
        Json{{"model", model.id.value}, {"files", {{name, "sha256:" + *digest}}}, {"stream", false}}
    );
    const auto created =
        co_await post(target, "/api/create", create, Deadline::in(clock_, kLoadLimit));
    if (!created) {
        co_return propagate(created);
    }
    if (created->status != 200) {
        co_return fail(refused("create the model", *created));
    }
    co_return Result<void>{};
}

}  // namespace nova::lifecycle

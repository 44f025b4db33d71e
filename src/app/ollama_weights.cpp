// POST /api/pull and its stream of lines; success is what a line says, not the status.
#include "app/ollama_weights.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "catalog/ollama_store.hpp"
#include "catalog/pull_reply.hpp"
#include "catalog/web_url.hpp"
#include "core/json.hpp"
#include "lifecycle/engine_client.hpp"
#include "net/http_client.hpp"

namespace nova::app {
namespace {

constexpr std::chrono::seconds kListLimit{15};
// Hashing what arrived and writing the manifest say nothing while they last.
constexpr std::chrono::minutes kQuietLimit{30};
constexpr std::chrono::seconds kLongestPause{30};

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

bool works_without_bytes(std::string_view status) {
    return status.starts_with("verifying") || status.starts_with("writing") ||
           status.starts_with("removing");
}

// A registry of one's own on loopback speaks plain http; Ollama wants that said.
bool registry_on_loopback(const std::string& name) {
    const std::string host = catalog::ollama_name(name).host;
    return catalog::is_loopback({.host = host.substr(0, host.find(':'))});
}

std::string error_in(const std::string& body) {
    const auto value = parse_json(body, "answer");
    if (value && value->is_object() && value->contains("error") && (*value)["error"].is_string()) {
        return (*value)["error"].get<std::string>();
    }
    return body.substr(0, 200);
}

Result<void> outcome_of(const catalog::PullReply& reply, const std::string& name) {
    if (reply.error()) {
        return fail(catalog::explain_pull_error(*reply.error(), name));
    }
    if (!reply.succeeded()) {
        return fail(
            ErrorCode::upstream_failed, fmt::format("The pull of {} ended in the middle.", name)
        );
    }
    return {};
}

}  // namespace

Task<Result<Bytes>> OllamaWeights::ensure(std::string name, runtime::ProgressSink progress) {
    if (const auto size = catalog::size_in_ollama_store(parts_.store, name)) {
        co_return *size;
    }
    for (unsigned tried = 1;; ++tried) {
        const auto done = co_await attempt(name, progress);
        if (done) {
            co_return catalog::size_in_ollama_store(parts_.store, name).value_or(Bytes{});
        }
        Error error = done.error();
        if (error.remedy.empty()) {
            error.remedy = "Start it again: what was downloaded is kept.";
        }
        const bool again = policy(error.code).retry && error.code != ErrorCode::exhausted;
        if (!again || tried >= parts_.attempts) {
            co_return fail(std::move(error));
        }
        progress(
            {.step = "weights", .detail = "trying again: " + error.message, .done = {}, .total = {}}
        );
        const std::chrono::nanoseconds pause = parts_.pause * (1U << std::min(tried - 1, 5U));
        co_await parts_.clock.sleep_for(std::min<std::chrono::nanoseconds>(pause, kLongestPause));
    }
}

// Whose server it is may change between two attempts.
Task<Result<void>> OllamaWeights::attempt(std::string name, runtime::ProgressSink progress) {
    std::optional<PrepareInstance::Lease> lease;
    std::optional<Endpoint> server = parts_.running();
    Result<bool> there = false;
    if (server) {
        there = co_await lists(*server, name);
    }
    // One that serves may be about to end: a helper is not.
    if (!server || !there) {
        progress(
            {.step = "weights", .detail = "starting an Ollama that fetches", .done = {}, .total = {}
            }
        );
        auto entered = co_await parts_.helper.enter();
        if (!entered) {
            co_return propagate(entered);
        }
        lease.emplace(*std::move(entered));
        server = lease->endpoint();
        there = co_await lists(*server, name);
    }
    if (!there) {
        co_return propagate(there);
    }
    if (*there) {
        co_return Result<void>{};
    }
    co_return co_await pull_once(*server, name, progress);
}

Task<Result<bool>> OllamaWeights::lists(Endpoint server, std::string name) {
    net::FetchRequest request{.endpoint = server, .target = "/api/tags"};
    request.deadline = Deadline::in(parts_.clock, kListLimit);
    const auto answer = co_await net::fetch(parts_.clock, std::move(request));
    if (!answer) {
        co_return propagate(answer);
    }
    const auto ids = lifecycle::model_ids(answer->body, engine::Protocol::ollama);
    if (!ids) {
        co_return propagate(ids);
    }
    const std::string wanted = lowered(catalog::ollama_name(name).shown());
    co_return std::ranges::any_of(*ids, [&](const std::string& id) {
        return lowered(catalog::ollama_name(id).shown()) == wanted;
    });
}

Task<Result<void>>
OllamaWeights::pull_once(Endpoint server, std::string name, runtime::ProgressSink progress) {
    Json body{{"model", name}, {"stream", true}};
    if (registry_on_loopback(name)) {
        body["insecure"] = true;
    }
    net::FetchRequest request{
        .endpoint = server,
        .method = "POST",
        .target = "/api/pull",
        .headers = {{"Content-Type", "application/json"}},
        .body = json_text(body),
        .deadline = Deadline::in(parts_.clock, parts_.stall)
    };
    auto answer = co_await net::fetch_open(parts_.clock, std::move(request));
    if (!answer) {
        co_return propagate(answer);
    }
    catalog::PullReply reply;
    std::string refusal;
    TimePoint moved = parts_.clock.now();
    while (true) {
        const std::chrono::nanoseconds limit = works_without_bytes(reply.status())
                                                   ? std::chrono::nanoseconds{kQuietLimit}
                                                   : std::chrono::nanoseconds{parts_.stall};
        const std::pair before{reply.done(), reply.status()};
        answer->connection->connection().expire_at(moved + limit);
        const auto piece = co_await answer->connection->read_body_some();
        const TimePoint now = parts_.clock.now();
        // Ollama repeats its lines while nothing moves: their coming is no progress.
        if ((!piece && piece.error().code == ErrorCode::timeout) || now >= moved + limit) {
            co_return fail(
                ErrorCode::timeout,
                fmt::format("The pull of {} stalled ({}).", name, reply.status())
            );
        }
        if (!piece) {
            co_return propagate(piece);
        }
        if (piece->empty()) {
            break;
        }
        if (answer->status != 200) {
            refusal.append(piece->substr(0, 4096 - std::min<std::size_t>(refusal.size(), 4096)));
            continue;
        }
        reply.feed(*piece);
        if (before != std::pair{reply.done(), reply.status()}) {
            moved = now;
        }
        const auto total = reply.total();
        progress(
            {.step = "weights",
             .detail = reply.status(),
             .done = {reply.done()},
             .total = total ? std::optional{Bytes{*total}} : std::nullopt}
        );
    }
    if (answer->status != 200) {
        co_return fail(catalog::explain_pull_error(error_in(refusal), name));
    }
    co_return outcome_of(reply, name);
}

}  // namespace nova::app

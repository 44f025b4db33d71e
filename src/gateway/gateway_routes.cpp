// The handlers of the OpenAI routes and of the gateway's health.
#include "gateway/gateway_routes.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/chat_relay.hpp"
#include "gateway/ollama_routes.hpp"

namespace nova::gateway {
namespace {

constexpr std::string_view kJson = "application/json";

nlohmann::json model_object(const std::string& id, const std::string& owner) {
    nlohmann::json model;
    model["id"] = id;
    model["object"] = "model";
    model["created"] = 0;  // OpenAI clients require the member; when it was made is not known
    model["owned_by"] = owner;
    return model;
}

Task<void> answer(net::Exchange& exchange, int status, nlohmann::json body) {
    const std::string text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    ignore(co_await exchange.respond(status, kJson, text), "the client may be gone");
}

// Only what can be asked right now is listed: no name that would be refused (trap 68).
Task<void> list_models(net::Exchange& exchange, WorkerState& worker) {
    nlohmann::json data = nlohmann::json::array();
    const auto local = worker.table->local;
    if (local) {
        for (const std::string& id : local->models) {
            data.push_back(model_object(id, local->provider));
        }
    }
    if (const auto embedder = worker.table->embedder()) {
        for (const std::string& id : embedder->models) {
            if (!local || std::ranges::find(local->models, id) == local->models.end()) {
                data.push_back(model_object(id, embedder->provider));
            }
        }
    }
    nlohmann::json body;
    body["object"] = "list";
    body["data"] = std::move(data);
    co_await answer(exchange, 200, std::move(body));
}

Task<void> one_model(net::Exchange& exchange, WorkerState& worker) {
    const std::string id{exchange.parameter("id")};
    for (const auto& upstream : {worker.table->local, worker.table->embedder()}) {
        if (upstream && upstream->serves(id)) {
            co_await answer(exchange, 200, model_object(id, upstream->provider));
            co_return;
        }
    }
    const Error error{
        .code = ErrorCode::not_found,
        .message = fmt::format("The model `{}` does not exist.", id),
        .word = "model_not_found",
        .remedy = "Ask GET /v1/models for the names.",
    };
    ignore(co_await exchange.respond_error(error), "the client may be gone");
}

Task<void> live(net::Exchange& exchange) {
    co_await answer(exchange, 200, {{"status", "ok"}});
}

// decisions.md 2.25: 200 when some route can answer.
Task<void> ready(net::Exchange& exchange, WorkerState& worker) {
    const RoutingTable& table = *worker.table;
    if (const auto open = table.local ? table.local : table.embedder()) {
        co_await answer(exchange, 200, {{"status", "ready"}, {"provider", open->provider}});
        co_return;
    }
    nlohmann::json body{{"status", "not_ready"}, {"provider", table.wanted_provider}};
    if (table.loading) {
        body["phase"] = table.loading->phase;
    }
    if (table.error) {
        body["detail"] = *table.error;
    }
    co_await answer(exchange, 503, std::move(body));
}

Task<void> inflight(net::Exchange& exchange, WorkerState& worker) {
    const auto sum = [&worker](auto member) {
        return std::accumulate(
            worker.all.begin(), worker.all.end(), std::int64_t{0},
            [member](std::int64_t total, const WorkerCounters& counters) {
                return total +
                       static_cast<std::int64_t>((counters.*member).load(std::memory_order_relaxed)
                       );
            }
        );
    };
    nlohmann::json body;
    body["local_inflight"] = sum(&WorkerCounters::inflight);
    body["active_relays"] = sum(&WorkerCounters::active_relays);
    body["waiting"] = sum(&WorkerCounters::waiting);
    body["idle_upstream_connections"] = sum(&WorkerCounters::idle_upstreams);
    body["requests_total"] = sum(&WorkerCounters::requests);
    body["client_left_total"] = sum(&WorkerCounters::client_left);
    body["upstream_failed_total"] = sum(&WorkerCounters::upstream_failed);
    co_await answer(exchange, 200, std::move(body));
}

}  // namespace

void add_gateway_routes(net::RouteTable& routes, WorkerState& worker) {
    const auto post = [&](std::string path, std::string_view api_path) {
        routes.add("POST", std::move(path), [&worker, api_path](net::Exchange& exchange) {
            return relay(exchange, worker, api_path);
        });
    };
    post("/v1/chat/completions", "/chat/completions");
    post("/v1/completions", "/completions");
    post("/v1/embeddings", "/embeddings");

    const auto get = [&](std::string path, Task<void> (*handler)(net::Exchange&, WorkerState&)) {
        routes.add("GET", std::move(path), [&worker, handler](net::Exchange& exchange) {
            return handler(exchange, worker);
        });
    };
    get("/v1/models", &list_models);
    get("/v1/models/{id*}", &one_model);
    for (const std::string prefix : {"/health", "/v1/health"}) {
        routes.add("GET", prefix + "/live", [](net::Exchange& exchange) { return live(exchange); });
        get(prefix + "/ready", &ready);
        get(prefix + "/inflight", &inflight);
    }
    add_ollama_routes(routes, worker);
}

}  // namespace nova::gateway

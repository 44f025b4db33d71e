// The handlers of the OpenAI routes and of the gateway's health.
#include "gateway/gateway_routes.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/chat_relay.hpp"
#include "gateway/model_list.hpp"
#include "gateway/ollama_routes.hpp"

namespace nova::gateway {
namespace {

constexpr std::string_view kJson = "application/json";

using dialect::Dialect;

// What is translated, passed on and answered by providers.
constexpr std::array kRelayRoutes{
    RelayRoute{"/v1/chat/completions", Dialect::openai, Operation::chat},
    RelayRoute{"/v1/completions", Dialect::openai_text, Operation::completion},
    RelayRoute{"/v1/embeddings", Dialect::openai, Operation::embedding, Streaming::never},
    RelayRoute{"/v1/responses", Dialect::openai, Operation::responses},
    RelayRoute{"/v1/messages", Dialect::anthropic, Operation::chat},
    RelayRoute{"/api/chat", Dialect::ollama, Operation::chat, Streaming::unless_refused},
    RelayRoute{
        "/api/generate", Dialect::ollama_generate, Operation::completion, Streaming::unless_refused
    },
    RelayRoute{"/api/embed", Dialect::ollama, Operation::embedding, Streaming::never},
    RelayRoute{"/complete", Dialect::nova, Operation::chat, Streaming::never, true},
    RelayRoute{"/stream", Dialect::nova, Operation::chat, Streaming::always, true},
    RelayRoute{"/embed", Dialect::nova, Operation::embedding, Streaming::never, true},
};

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

Task<void> list_models(net::Exchange& exchange, WorkerState& worker) {
    nlohmann::json data = nlohmann::json::array();
    for (const ListedModel& model : listed_models(*worker.table, nullptr)) {
        data.push_back(model_object(model.id, model.owner));
    }
    nlohmann::json body;
    body["object"] = "list";
    body["data"] = std::move(data);
    co_await answer(exchange, 200, std::move(body));
}

Task<void> one_model(net::Exchange& exchange, WorkerState& worker) {
    const std::string id{exchange.parameter("id")};
    const std::string owner = owner_of(*worker.table, nullptr, id);
    if (!owner.empty()) {
        co_await answer(exchange, 200, model_object(id, owner));
        co_return;
    }
    const Error error{
        .code = ErrorCode::not_found,
        .message = fmt::format("The model `{}` does not exist.", id),
        .word = "model_not_found",
        .remedy = "Ask GET /v1/models for the names.",
    };
    ignore(co_await exchange.respond_error(error), "the client may be gone");
}

// Who can be asked and who not; the state of each as the table has it.
Task<void> providers(net::Exchange& exchange, WorkerState& worker) {
    nlohmann::json rows = nlohmann::json::array();
    for (const ListedProvider& row : listed_providers(*worker.table)) {
        nlohmann::json one;
        one["provider"] = row.id;
        one["where"] = row.where == Where::cloud ? "cloud" : "local";
        one["state"] = row.state;
        one["models"] = row.models;
        one["embeddings"] = row.embeds;
        rows.push_back(std::move(one));
    }
    co_await answer(exchange, 200, {{"providers", std::move(rows)}});
}

Task<void> live(net::Exchange& exchange) {
    co_await answer(exchange, 200, {{"status", "ok"}});
}

// decisions.md 2.25: 200 when some route can answer.
Task<void> ready(net::Exchange& exchange, WorkerState& worker) {
    const RoutingTable& table = *worker.table;
    if (const Upstream* const open = first_open(table)) {
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

bool is_relay_path(std::string_view path) {
    return std::ranges::find(kRelayRoutes, path, &RelayRoute::pattern) != kRelayRoutes.end();
}

void add_gateway_routes(net::RouteTable& routes, WorkerState& worker) {
    for (const RelayRoute& route : kRelayRoutes) {
        routes.add("POST", std::string{route.pattern}, [&worker, &route](net::Exchange& exchange) {
            return relay(exchange, worker, route);
        });
    }

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
        get(prefix + "/providers", &providers);
    }
    add_ollama_routes(routes, worker);
}

}  // namespace nova::gateway

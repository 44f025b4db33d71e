// The handlers of the OpenAI routes and of the gateway's health.
#include "gateway/gateway_routes.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "gateway/chat_relay.hpp"
#include "gateway/gatekeeper.hpp"
#include "gateway/model_list.hpp"
#include "gateway/ollama_routes.hpp"

namespace nova::gateway {
namespace {

constexpr std::string_view kJson = "application/json";
// The first Nova's, for a model it had no figures of.
constexpr int kNativeContext = 128'000;
constexpr int kNativeOutput = 8096;

using dialect::Dialect;

// What is translated, passed on and answered by providers.
constexpr std::array kRelayRoutes{
    RelayRoute{"/v1/chat/completions", Dialect::openai, Operation::chat},
    RelayRoute{"/v1/completions", Dialect::openai_text, Operation::completion},
    RelayRoute{"/v1/embeddings", Dialect::openai, Operation::embedding, Streaming::never},
    RelayRoute{"/v1/responses", Dialect::openai, Operation::responses},
    RelayRoute{"/v1/messages", Dialect::anthropic, Operation::chat},
    RelayRoute{
        "/v1/messages/count_tokens", Dialect::anthropic, Operation::count_tokens, Streaming::never
    },
    // Clients whose base URL was given without /v1.
    RelayRoute{"/chat/completions", Dialect::openai, Operation::chat},
    RelayRoute{"/completions", Dialect::openai_text, Operation::completion},
    RelayRoute{"/embeddings", Dialect::openai, Operation::embedding, Streaming::never},
    RelayRoute{"/responses", Dialect::openai, Operation::responses},
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
    const std::string text = json_text(body);
    ignore(co_await exchange.respond(status, kJson, text), "the client may be gone");
}

// A handler that tells what the key of whoever asks may know.
using ScopedHandler = Task<void> (*)(net::Exchange&, WorkerState&, const Access*);

Task<void> scoped(net::Exchange& exchange, WorkerState& worker, ScopedHandler handler) {
    const auto access = worker.access_of(exchange);
    if (!access) {
        ignore(co_await exchange.respond_error(access.error()), "the client may be gone");
        co_return;
    }
    co_await handler(exchange, worker, access->get());
}

Task<void> list_models(net::Exchange& exchange, WorkerState& worker, const Access* access) {
    nlohmann::json data = nlohmann::json::array();
    for (const ListedModel& model : listed_models(*worker.table, access)) {
        data.push_back(model_object(model.id, model.owner));
    }
    nlohmann::json body;
    body["object"] = "list";
    body["data"] = std::move(data);
    co_await answer(exchange, 200, std::move(body));
}

// As the first Nova's clients know it: a bare list, whose capabilities and sizes are those it gave
// models it knew nothing of.
Task<void> native_models(net::Exchange& exchange, WorkerState& worker, const Access* access) {
    const RoutingTable& table = *worker.table;
    nlohmann::json list = nlohmann::json::array();
    const auto add = [&list](const std::string& id, const Upstream& upstream, bool embeds_only) {
        nlohmann::json model;
        model["id"] = id;
        model["provider"] = upstream.provider;
        model["capabilities"] =
            embeds_only ? nlohmann::json{"embeddings"} : nlohmann::json{"chat", "streaming"};
        model["context_window"] = kNativeContext;
        model["max_output_tokens"] = kNativeOutput;
        model["cost_per_input_token"] = nullptr;
        model["cost_per_output_token"] = nullptr;
        list.push_back(std::move(model));
    };
    const auto models = listed_models(table, access);
    if (!models.empty()) {
        add("__default__", *models.front().upstream, false);
    }
    for (const ListedModel& model : models) {
        add(model.id, *model.upstream, model.upstream == table.embedder().get());
    }
    co_await answer(exchange, 200, std::move(list));
}

Task<void> one_model(net::Exchange& exchange, WorkerState& worker, const Access* access) {
    const std::string id{exchange.parameter("id")};
    const std::string owner = owner_of(*worker.table, access, id);
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

// Who can be asked and who not: the state of each as the table has it, and of a cloud whether its
// breaker lets requests through.
Task<void> providers(net::Exchange& exchange, WorkerState& worker) {
    nlohmann::json rows = nlohmann::json::array();
    for (const ListedProvider& row : listed_providers(*worker.table)) {
        nlohmann::json one;
        one["provider"] = row.id;
        one["where"] = row.where == Where::cloud ? "cloud" : "local";
        one["state"] = row.state;
        one["models"] = row.models;
        one["embeddings"] = row.embeds;
        if (const Breaker* const breaker = worker.breaker_of(UpstreamId{row.upstream})) {
            const TimePoint now = worker.clock.now();
            one["circuit"] = breaker->state(now);
            if (breaker->open(now)) {
                one["retry_in_s"] = breaker->left(now).count();
            }
        }
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
    const auto get_scoped = [&](std::string path, ScopedHandler handler) {
        routes.add("GET", std::move(path), [&worker, handler](net::Exchange& exchange) {
            return scoped(exchange, worker, handler);
        });
    };
    get_scoped("/v1/models", &list_models);
    get_scoped("/v1/models/{id*}", &one_model);
    get_scoped("/models", &native_models);
    for (const std::string prefix : {"/health", "/v1/health"}) {
        routes.add("GET", prefix + "/live", [](net::Exchange& exchange) { return live(exchange); });
        get(prefix + "/ready", &ready);
        get(prefix + "/inflight", &inflight);
        get(prefix + "/providers", &providers);
    }
    add_ollama_routes(routes, worker);
}

}  // namespace nova::gateway

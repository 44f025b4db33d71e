// Routing decisions.
#include "gateway/router.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace nova::gateway {
namespace {

using std::chrono::seconds;

// Loads of small models take seconds, of large ones minutes; without an observed ETA this is a
// polite poll interval, not a promise.
constexpr seconds kRetryWhileLoading{2};
constexpr seconds kRetryAfterError{10};
// An ETA of an hour is a guess of an hour: whoever waits looks again sooner.
constexpr double kLongestRetry = 120.0;

bool listed(const std::vector<std::string>& names, std::string_view model) {
    return std::ranges::find(names, model) != names.end();
}

Error unknown_model(const RoutingTable& table, std::string_view model) {
    std::string served = "No model is being served right now.";
    if (table.local && !table.local->models.empty()) {
        served = fmt::format("Served right now: {}.", fmt::join(table.local->models, ", "));
    }
    return Error{
        .code = ErrorCode::not_found,
        .message = fmt::format("The model `{}` does not exist. {}", model, served),
        .word = "model_not_found",
        .remedy = "Ask GET /v1/models for the names, or start one with: nova start ENGINE --model "
                  "MODEL",
    };
}

Error not_ready(const RoutingTable& table, std::string_view model) {
    Error error{.code = ErrorCode::unavailable, .message = {}, .word = "model_not_ready"};
    if (table.parked) {
        error.message = fmt::format(
            "The model `{}` was put away while nobody used it; {} is being woken.", model,
            table.wanted_provider
        );
        error.word = "model_loading";
        error.retry_after = kRetryWhileLoading;
        return error;
    }
    if (table.loading) {
        error.message = fmt::format(
            "The model `{}` is not ready yet: {} is {}.", model, table.wanted_provider,
            table.loading->phase
        );
        error.word = "model_loading";
        error.retry_after = kRetryWhileLoading;
        if (table.loading->eta_s) {
            const double eta = std::clamp(*table.loading->eta_s, 1.0, kLongestRetry);
            error.retry_after = seconds{static_cast<std::int64_t>(eta)};
        }
        return error;
    }
    error.message = fmt::format("The model `{}` is not available right now.", model);
    if (table.error) {
        error.message = fmt::format("The model `{}` is not available: {}", model, *table.error);
    }
    error.retry_after = kRetryAfterError;
    return error;
}

// The model is known and not served: why, and whether waiting or waking helps.
void refuse_for_now(RoutePlan& plan, const RoutingTable& table, std::string_view model) {
    plan.refusal = not_ready(table, model);
    plan.loading = table.loading;
    if (table.parked) {
        plan.loading = Loading{.phase = "parked"};
        plan.wake = table.slot;
    }
}

}  // namespace

bool Upstream::serves(std::string_view model) const {
    if (!models_known || listed(models, model)) {
        return true;
    }
    // Ollama's own rule: a name without a tag means ":latest" (reference/gateway.md, trap 95).
    if (provider != "ollama" || model.find(':') != std::string_view::npos) {
        return false;
    }
    return std::ranges::any_of(models, [model](const std::string& name) {
        return name.size() == model.size() + 7 && name.starts_with(model) &&
               name.ends_with(":latest");
    });
}

RoutePlan plan_route(const RoutingTable& table, std::string_view model) {
    RoutePlan plan;
    if (table.local && table.local->serves(model)) {
        plan.attempts.push_back({.upstream = table.local});
        plan.reason = "local: serves the model";
        return plan;
    }
    if (listed(table.known_models, model)) {
        refuse_for_now(plan, table, model);
        plan.reason = "local: known, not ready";
        return plan;
    }
    plan.refusal = unknown_model(table, model);
    plan.reason = "nobody serves the model";
    return plan;
}

namespace {

// Does the slot itself know the name, rather than pass on every name.
bool names(const RoutingTable& slot, std::string_view model) {
    return (slot.local && slot.local->models_known && slot.local->serves(model)) ||
           listed(slot.known_models, model);
}

RoutePlan by_embed_slot(const RoutingTable& slot, std::string_view model) {
    RoutePlan plan = plan_route(slot, model);
    if (!plan.attempts.empty()) {
        plan.reason = "embed: serves the model";
    }
    return plan;
}

// The local slot's model, asked of an engine that makes no embeddings.
RoutePlan instead_of_local(const RoutingTable& table, std::string_view model) {
    const RoutingTable& slot = *table.embed;
    RoutePlan plan;
    if (!slot.local) {
        refuse_for_now(plan, slot, slot.known_models.empty() ? model : slot.known_models[0]);
        plan.reason = "embed: not ready";
        return plan;
    }
    plan.attempts.push_back({.upstream = slot.local});
    plan.reason = fmt::format(
        "embed: {} makes no embeddings", table.local ? table.local->provider : table.wanted_provider
    );
    if (!slot.local->serves(model) && !slot.local->models.empty()) {
        plan.attempts.front().model = slot.local->models.front();
    }
    return plan;
}

RoutePlan for_embedding(const RoutingTable& table, std::string_view model) {
    const RoutingTable& slot = *table.embed;
    if (names(slot, model)) {
        return by_embed_slot(slot, model);
    }
    if (names(table, model)) {
        return table.local_embeds ? plan_route(table, model) : instead_of_local(table, model);
    }
    if (slot.local && !slot.local->models_known) {
        return by_embed_slot(slot, model);
    }
    RoutePlan plan = plan_route(table, model);
    if (plan.refusal && slot.local) {
        plan.refusal->message +=
            fmt::format(" For embeddings: {}.", fmt::join(slot.local->models, ", "));
    }
    return plan;
}

}  // namespace

RoutePlan plan_route(const RoutingTable& table, std::string_view model, Use use) {
    if (!table.embed) {
        return plan_route(table, model);
    }
    if (use == Use::embedding) {
        return for_embedding(table, model);
    }
    if (names(table, model) || !names(*table.embed, model)) {
        return plan_route(table, model);
    }
    RoutePlan plan;
    plan.refusal = Error{
        .code = ErrorCode::invalid_argument,
        .message = fmt::format("`{}` is an embedding model: it does not generate text.", model),
        .word = "model_not_supported",
        .remedy = "Send it to POST /v1/embeddings, or name a chat model of GET /v1/models.",
    };
    plan.reason = "embed: no generation there";
    return plan;
}

RoutePlan plan_route(const RoutingTable& table, const RouteRequest& request) {
    RoutePlan plan = plan_route(table, request.model, request.use);
    if (plan.refusal && plan.refusal->code == ErrorCode::invalid_argument) {
        return plan;
    }
    std::vector<RouteStep> clouds;
    for (const auto& cloud : table.clouds) {
        if (table.strategy == Strategy::local_only) {
            break;
        }
        RouteStep step{.upstream = cloud, .why = "cloud"};
        if (!cloud->serves(request.model)) {
            if (cloud->default_model.empty()) {
                continue;
            }
            step.model = cloud->default_model;
        }
        clouds.push_back(std::move(step));
    }
    if (!clouds.empty()) {
        plan.refusal.reset();
        const bool first = table.strategy == Strategy::cloud_first;
        plan.attempts.insert(
            first ? plan.attempts.begin() : plan.attempts.end(), clouds.begin(), clouds.end()
        );
    }
    return plan;
}

}  // namespace nova::gateway

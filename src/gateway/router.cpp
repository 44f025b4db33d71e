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
        plan.attempts.push_back(table.local);
        plan.reason = "local: serves the model";
        return plan;
    }
    if (listed(table.known_models, model)) {
        plan.refusal = not_ready(table, model);
        plan.loading = table.loading;
        if (table.parked) {
            plan.loading = Loading{.phase = "parked"};
            plan.wake = table.slot;
        }
        plan.reason = "local: known, not ready";
        return plan;
    }
    plan.refusal = unknown_model(table, model);
    plan.reason = "nobody serves the model";
    return plan;
}

}  // namespace nova::gateway

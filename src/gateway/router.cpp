// Routing decisions.
#include "gateway/router.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "gateway/gatekeeper.hpp"

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

Error unknown_model(
    const RoutingTable& table, std::string_view model, const Access* access = nullptr
) {
    std::string served = "No model is being served right now.";
    std::vector<std::string_view> names;
    if (table.local) {
        std::ranges::copy_if(
            table.local->models, std::back_inserter(names),
            [access](const std::string& name) {
                return access == nullptr || access->may_use_model(name);
            }
        );
    }
    if (!names.empty()) {
        served = fmt::format("Served right now: {}.", fmt::join(names, ", "));
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

namespace {

// By one slot alone.
RoutePlan by_slot(const RoutingTable& table, std::string_view model) {
    RoutePlan plan;
    if (table.local && table.local->serves(model)) {
        plan.attempts.push_back({.upstream = table.local, .why = "local"});
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

// Does the slot itself know the name, rather than pass on every name.
bool names(const RoutingTable& slot, std::string_view model) {
    return (slot.local && slot.local->models_known && slot.local->serves(model)) ||
           listed(slot.known_models, model);
}

RoutePlan by_embed_slot(const RoutingTable& slot, std::string_view model) {
    RoutePlan plan = by_slot(slot, model);
    if (!plan.attempts.empty()) {
        plan.attempts.front().why = "embed";
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
    plan.attempts.push_back({.upstream = slot.local, .why = "embed"});
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
        return table.local_embeds ? by_slot(table, model) : instead_of_local(table, model);
    }
    if (slot.local && !slot.local->models_known) {
        return by_embed_slot(slot, model);
    }
    RoutePlan plan = by_slot(table, model);
    if (plan.refusal && slot.local) {
        plan.refusal->message +=
            fmt::format(" For embeddings: {}.", fmt::join(slot.local->models, ", "));
    }
    return plan;
}

Error makes_no_embeddings(const Upstream& upstream) {
    return Error{
        .code = ErrorCode::invalid_argument,
        .message = fmt::format("{} makes no embeddings with this model.", upstream.provider),
        .word = "model_not_supported",
        .remedy = "Start an embedding model beside it: nova start ENGINE --slot embed --model "
                  "MODEL",
    };
}

// By both slots of this machine.
RoutePlan by_slots(const RoutingTable& table, std::string_view model, Use use) {
    if (!table.embed) {
        RoutePlan plan = by_slot(table, model);
        if (use == Use::embedding && !plan.attempts.empty() && !table.local->embeds) {
            plan.attempts.clear();
            plan.refusal = makes_no_embeddings(*table.local);
            plan.reason = "local: makes no embeddings";
        }
        return plan;
    }
    if (use == Use::embedding) {
        return for_embedding(table, model);
    }
    if (names(table, model) || !names(*table.embed, model)) {
        return by_slot(table, model);
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

// ---- with clouds

// What the client means by the name it wrote.
struct Target {
    std::string_view model;
    std::string_view provider{};  // the only one that is meant; empty: whoever has the model
    std::string_view how{};       // "alias", "prefix", or empty: the name as it is
};

bool has(const Upstream& upstream, std::string_view model) {
    const auto row = std::ranges::find(upstream.aliases, model, [](const auto& alias) {
        return std::string_view{alias.first};
    });
    return row != upstream.aliases.end() || upstream.serves(model) ||
           (!model.empty() && upstream.default_model == model);
}

bool is_named(const Upstream& upstream, std::string_view provider) {
    return upstream.provider == provider || (provider == "local" && upstream.where == Where::local);
}

const Upstream* cloud_called(const RoutingTable& table, std::string_view provider) {
    const auto at = std::ranges::find_if(table.clouds, [provider](const auto& cloud) {
        return cloud->provider == provider;
    });
    return at == table.clouds.end() ? nullptr : at->get();
}

bool listed_here(const RoutingTable& table, std::string_view model) {
    return names(table, model) || (table.embed && names(*table.embed, model));
}

// Somebody has, right now, what an alias stands for.
bool leads_somewhere(const RoutingTable& table, const Alias& alias) {
    const bool here = table.local && table.local->serves(alias.model);
    if (!alias.provider.empty() && cloud_called(table, alias.provider) != nullptr) {
        return true;
    }
    return here || (table.embed && names(*table.embed, alias.model)) ||
           std::ranges::any_of(table.clouds, [&alias](const auto& cloud) {
               return has(*cloud, alias.model);
           });
}

// Trap 69: a prefix only of a provider that is configured, and never against a list that has the
// whole name.
Target target_of(const RoutingTable& table, std::string_view model) {
    const auto alias = std::ranges::find(table.aliases, model, &Alias::name);
    // The old name of a model may be an alias of the new one already while the old one serves.
    const bool still_served =
        table.local && table.local->models_known && table.local->serves(model);
    if (alias != table.aliases.end() && (!still_served || leads_somewhere(table, *alias))) {
        return {.model = alias->model, .provider = alias->provider, .how = "alias"};
    }
    const auto slash = model.find('/');
    if (slash == std::string_view::npos || listed_here(table, model)) {
        return {.model = model};
    }
    const Upstream* const cloud = cloud_called(table, model.substr(0, slash));
    const std::string_view rest = model.substr(slash + 1);
    if (cloud == nullptr || rest.empty()) {
        return {.model = model};
    }
    const bool whole_is_listed = std::ranges::any_of(table.clouds, [model](const auto& other) {
        return has(*other, model);
    });
    if (whole_is_listed && !has(*cloud, rest)) {
        return {.model = model};
    }
    return {.model = rest, .provider = cloud->provider, .how = "prefix"};
}

// What the upstream is asked for when it is asked by that name.
std::string_view own_name(const Upstream& upstream, std::string_view model) {
    for (const auto& [name, own] : upstream.aliases) {
        if (name == model) {
            return own;
        }
    }
    return model;
}

// The steps by how well they fit; each list in the chain's order.
struct Chain {
    const RoutingTable& table;
    const RouteRequest& request;
    Target target;
    std::vector<RouteStep> meant{};    // named by alias or prefix
    std::vector<RouteStep> have{};     // have the model
    std::vector<RouteStep> instead{};  // asked for their default
    bool barred = false;               // the key keeps out somebody who has the model

    bool allowed(const Upstream& upstream) const {
        return request.access == nullptr || request.access->may_use(upstream);
    }

    void
    add(std::vector<RouteStep>& steps, std::shared_ptr<const Upstream> upstream,
        std::string_view model, std::string_view why) {
        if (!allowed(*upstream)) {
            barred = barred || &steps != &instead;
            return;
        }
        RouteStep step{.upstream = std::move(upstream), .why = std::string{why}};
        if (model != request.model) {
            step.model = model;
        }
        steps.push_back(std::move(step));
    }

    void add_instead(const std::shared_ptr<const Upstream>& upstream) {
        if (request.use == Use::generation && !upstream->default_model.empty()) {
            add(instead, upstream, upstream->default_model, "fallback");
        }
    }

    void add_cloud(const std::shared_ptr<const Upstream>& cloud) {
        if (request.use == Use::embedding && !cloud->embeds) {
            return;
        }
        const std::string_view own = own_name(*cloud, target.model);
        if (!target.provider.empty() && is_named(*cloud, target.provider)) {
            add(meant, cloud, own, target.how);
        } else if (has(*cloud, target.model)) {
            add(have, cloud, own, target.how.empty() ? "cloud" : target.how);
        } else {
            add_instead(cloud);
        }
    }

    // local: what this machine says of the name.
    void add_local(const RoutePlan& local) {
        const bool elsewhere =
            !target.provider.empty() && table.local && !is_named(*table.local, target.provider);
        for (const RouteStep& step : local.attempts) {
            const std::string_view model =
                step.model.empty() ? target.model : std::string_view{step.model};
            add(target.provider.empty() || elsewhere ? have : meant, step.upstream, model,
                target.how.empty() ? std::string_view{step.why} : target.how);
        }
        // What is on its way here is waited for, not answered by the model it replaces.
        const bool comes = local.refusal && local.refusal->code == ErrorCode::unavailable;
        if (local.attempts.empty() && table.local && !comes) {
            add_instead(table.local);
        }
    }

    std::vector<RouteStep> in_order() {
        std::vector<RouteStep> all = std::move(meant);
        for (std::vector<RouteStep>* steps : {&have, &instead}) {
            std::ranges::move(*steps, std::back_inserter(all));
        }
        return all;
    }
};

bool uses_local(const RoutingTable& table) {
    return table.strategy != Strategy::cloud_only;
}

bool uses_clouds(const RoutingTable& table) {
    return table.strategy != Strategy::local_only;
}

// Whether there is such a model is nothing a key learns that may not use it.
Error not_of_this_key(std::string_view model) {
    return Error{
        .code = ErrorCode::not_found,
        .message = fmt::format("The model `{}` does not exist, or not for this API key.", model),
        .word = "model_not_found",
        .remedy = "Ask GET /v1/models with this key for the names it may use.",
    };
}

Error provider_not_allowed(std::string_view model) {
    return Error{
        .code = ErrorCode::forbidden,
        .message = fmt::format("This key may not use any provider that has `{}`.", model),
        .word = "provider_not_allowed",
        .remedy = "Use a key without that limit, or a model that runs here.",
    };
}

Error no_cloud_can(const RoutingTable& table, std::string_view model) {
    return Error{
        .code = ErrorCode::unavailable,
        .message = fmt::format(
            "`{}` is a model of this machine, the mode is cloud-only, and {}.", model,
            table.clouds.empty() ? "no cloud is configured" : "no cloud can stand in for it"
        ),
        .word = "model_not_ready",
        .remedy = "Configure a provider with a default model (nova providers add), or leave the "
                  "mode: nova mode hybrid",
        .retry_after = kRetryAfterError,
    };
}

// Nobody is left to try. local: what this machine says of the name.
void refuse(RoutePlan& plan, Chain& chain, RoutePlan local) {
    const RoutingTable& table = chain.table;
    const std::string_view model = chain.request.model;
    const bool known_here =
        !local.attempts.empty() || local.refusal->code == ErrorCode::unavailable;
    if (known_here && uses_local(table) && local.refusal) {
        plan = std::move(local);  // a wait may help
        return;
    }
    if (chain.barred) {
        plan.refusal = provider_not_allowed(model);
        plan.reason = "the key keeps out who has the model";
        return;
    }
    if (known_here) {
        plan.refusal = no_cloud_can(table, model);
        plan.reason = "cloud-only: no cloud has the model";
        return;
    }
    plan = std::move(local);
    if (plan.refusal->code != ErrorCode::not_found) {
        return;
    }
    const bool of_a_cloud = std::ranges::any_of(table.clouds, [&chain](const auto& cloud) {
        return has(*cloud, chain.target.model) || is_named(*cloud, chain.target.provider);
    });
    if (!uses_clouds(table) && of_a_cloud) {
        plan.refusal->message +=
            fmt::format(" `{}` is a cloud's, and the mode is local-only.", model);
        plan.reason = "local-only: only a cloud has the model";
    }
}

std::string reason_of(const RouteStep& first, const RoutePlan& local) {
    const std::string& provider = first.upstream->provider;
    if (first.why == "fallback") {
        return fmt::format("{}; instead: {}", local.reason, provider);
    }
    if (first.why == "alias" || first.why == "prefix") {
        return fmt::format("{}: named by {}", provider, first.why);
    }
    return first.upstream->where == Where::cloud ? fmt::format("{}: has the model", provider)
                                                 : local.reason;
}

// Nearly every request of a machine of its own: one backend that lists the name, and nobody beside
// it who could be meant or asked instead. It needs no chain.
bool only_local(const RoutingTable& table, const RouteRequest& request) {
    const Access* const access = request.access;
    const bool scoped =
        access != nullptr && (!access->models.empty() || !access->providers.empty());
    return !scoped && table.clouds.empty() && table.aliases.empty() && !table.embed &&
           uses_local(table) && request.use == Use::generation && table.local &&
           table.local->serves(request.model);
}

}  // namespace

RoutePlan plan_route(const RoutingTable& table, std::string_view model) {
    return by_slot(table, model);
}

RoutePlan plan_route(const RoutingTable& table, std::string_view model, Use use) {
    return plan_route(table, RouteRequest{.model = model, .use = use});
}

RoutePlan plan_route(const RoutingTable& table, const RouteRequest& request) {
    RoutePlan plan;
    if (only_local(table, request)) {
        plan.attempts.push_back({.upstream = table.local, .why = "local"});
        plan.reason = "local serves it";
        return plan;
    }
    Chain chain{.table = table, .request = request, .target = target_of(table, request.model)};
    const Access* const access = request.access;
    if (access != nullptr && !access->may_use_model(request.model) &&
        !access->may_use_model(chain.target.model)) {
        plan.refusal = not_of_this_key(request.model);
        plan.reason = "the key may not use the model";
        return plan;
    }
    RoutePlan local = by_slots(table, chain.target.model, request.use);
    const bool scoped = access != nullptr && (access->never_cloud || !access->models.empty() ||
                                              !access->providers.empty());
    if (scoped && local.refusal && local.refusal->code == ErrorCode::not_found) {
        local.refusal = unknown_model(table, request.model, access);
    }
    const bool on_its_way = local.refusal && local.refusal->code == ErrorCode::unavailable;
    const bool known_here = on_its_way || !local.attempts.empty();
    if (uses_local(table) && table.strategy != Strategy::cloud_first) {
        chain.add_local(local);
    }
    if (uses_clouds(table)) {
        std::ranges::for_each(table.clouds, [&chain](const auto& cloud) {
            chain.add_cloud(cloud);
        });
    }
    if (table.strategy == Strategy::cloud_first) {
        chain.add_local(local);
    }
    const bool known = known_here || !chain.meant.empty() || !chain.have.empty();
    const bool best_is_local =
        chain.meant.empty() && (table.strategy == Strategy::local_first || chain.have.empty());
    plan.attempts = known ? chain.in_order() : std::vector<RouteStep>{};
    if (plan.attempts.empty()) {
        refuse(plan, chain, std::move(local));
        return plan;
    }
    plan.reason = reason_of(plan.attempts.front(), local);
    if (on_its_way && uses_local(table) && best_is_local) {
        if (plan.attempts.front().why != "fallback") {
            plan.reason = fmt::format("{}; {}", local.reason, plan.reason);
        }
        plan.loading = local.loading;
        plan.wake = local.wake;
    }
    return plan;
}

}  // namespace nova::gateway

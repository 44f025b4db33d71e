// Names and states out of a table.
#include "gateway/model_list.hpp"

#include <unordered_set>

#include "gateway/router.hpp"

namespace nova::gateway {
namespace {

constexpr std::string_view kAliasOwner = "nova";

// Who is asked, in the strategy's order.
std::vector<const Upstream*> open_upstreams(const RoutingTable& table) {
    std::vector<const Upstream*> here;
    for (const auto& upstream : {table.local, table.embedder()}) {
        if (upstream && table.strategy != Strategy::cloud_only) {
            here.push_back(upstream.get());
        }
    }
    std::vector<const Upstream*> all;
    if (table.strategy != Strategy::cloud_first) {
        all = here;
    }
    if (table.strategy != Strategy::local_only) {
        for (const auto& cloud : table.clouds) {
            all.push_back(cloud.get());
        }
    }
    if (table.strategy == Strategy::cloud_first) {
        all.insert(all.end(), here.begin(), here.end());
    }
    return all;
}

// Is somebody there to ask; a name nobody lists may still be one for a server without a list.
const Upstream* who_answers(
    const RoutingTable& table, const Access* access, std::string_view model, RoutePlan& plan
) {
    for (const Use use : {Use::generation, Use::embedding}) {
        plan = plan_route(table, RouteRequest{.model = model, .use = use, .access = access});
        if (!plan.attempts.empty() && plan.attempts.front().why != "fallback") {
            return plan.attempts.front().upstream.get();
        }
    }
    return nullptr;
}

std::string state_of(const RoutingTable& slot, bool kept_out) {
    if (kept_out) {
        return "kept_out";
    }
    if (slot.local) {
        return "ready";
    }
    if (slot.parked) {
        return "parked";
    }
    if (slot.loading) {
        return "loading";
    }
    return slot.error ? "error" : "stopped";
}

ListedProvider slot_row(const RoutingTable& slot, bool kept_out) {
    ListedProvider row{
        .id = slot.local ? slot.local->provider : slot.wanted_provider,
        .upstream = {},
        .state = state_of(slot, kept_out),
    };
    if (slot.local) {
        row.upstream = slot.local->id.value;
        row.models = slot.local->models.size();
        row.embeds = slot.local->embeds;
    }
    return row;
}

}  // namespace

const Upstream* first_open(const RoutingTable& table) {
    const auto all = open_upstreams(table);
    return all.empty() ? nullptr : all.front();
}

std::vector<ListedModel> listed_models(const RoutingTable& table, const Access* access) {
    std::vector<ListedModel> list;
    std::unordered_set<std::string_view> seen;
    const auto may = [access](std::string_view model) {
        return access == nullptr || access->may_use_model(model);
    };
    const auto add = [&](const std::string& id, const std::string& owner, const Upstream* upstream,
                         const std::string& stands_for = {}) {
        if ((may(id) || (owner == kAliasOwner && may(stands_for))) && seen.insert(id).second) {
            list.push_back(
                {.id = id, .owner = owner, .upstream = upstream, .stands_for = stands_for}
            );
        }
    };
    for (const Upstream* upstream : open_upstreams(table)) {
        if (access != nullptr && !access->may_use(*upstream)) {
            continue;
        }
        for (const std::string& model : upstream->models) {
            add(model, upstream->provider, upstream);
        }
        for (const auto& [name, model] : upstream->aliases) {
            add(name, upstream->provider, upstream, model);
        }
    }
    RoutePlan plan;
    for (const Alias& alias : table.aliases) {
        if (const Upstream* upstream = who_answers(table, access, alias.name, plan)) {
            add(alias.name, std::string{kAliasOwner}, upstream, alias.model);
        }
    }
    return list;
}

std::string owner_of(const RoutingTable& table, const Access* access, std::string_view model) {
    RoutePlan plan;
    const Upstream* upstream = who_answers(table, access, model, plan);
    return upstream == nullptr ? std::string{} : upstream->provider;
}

std::vector<ListedProvider> listed_providers(const RoutingTable& table) {
    std::vector<ListedProvider> rows;
    const bool no_local = table.strategy == Strategy::cloud_only;
    rows.push_back(slot_row(table, no_local));
    if (table.embed) {
        rows.push_back(slot_row(*table.embed, no_local));
    }
    for (const auto& cloud : table.clouds) {
        rows.push_back({
            .id = cloud->provider,
            .upstream = cloud->id.value,
            .where = Where::cloud,
            .state = table.strategy == Strategy::local_only ? "kept_out" : "ready",
            .models = cloud->models.size(),
            .embeds = cloud->embeds,
        });
    }
    return rows;
}

}  // namespace nova::gateway

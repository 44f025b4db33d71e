// What GET /v1/models and /health/providers tell of a table; pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/gatekeeper.hpp"
#include "gateway/routing_table.hpp"

namespace nova::gateway {

struct ListedModel {
    std::string id;
    std::string owner;                   // provider; of an alias: "nova"
    const Upstream* upstream = nullptr;  // who would be asked; lives as long as the table
    std::string stands_for{};            // an alias: for this model of the upstream
};

// Only what can be asked for right now, each name once, in the order in which the strategy asks
// (trap 68). access: empty: everything is allowed.
std::vector<ListedModel> listed_models(const RoutingTable& table, const Access* access);

// The provider that answers to the name; empty: nobody, or not for this key.
std::string owner_of(const RoutingTable& table, const Access* access, std::string_view model);

struct ListedProvider {
    std::string id;        // provider
    std::string upstream;  // "local/7", "cloud/openai"; empty: there is none right now
    Where where = Where::local;
    std::string state;  // ready, loading, parked, error, stopped; kept_out: by the strategy
    std::size_t models = 0;
    bool embeds = false;
};

// The local backend, the embed slot while it is wanted, the clouds.
std::vector<ListedProvider> listed_providers(const RoutingTable& table);

// Is there anybody to ask (decisions.md 2.25).
const Upstream* first_open(const RoutingTable& table);

}  // namespace nova::gateway

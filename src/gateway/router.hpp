// Where a request may go, in order, and why: a pure function of the table and the request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "gateway/routing_table.hpp"

namespace nova::gateway {

struct Access;

// One provider to try.
struct RouteStep {
    std::shared_ptr<const Upstream> upstream;
    std::string model{};  // what it is asked for; empty: as the client wrote it
    // One word for X-Nova-Route: local, embed, cloud (it has the model), alias, prefix, fallback
    // (it is asked for its default instead).
    std::string why{};
};

struct RoutePlan {
    std::vector<RouteStep> attempts;  // empty exactly when refusal is set
    std::string reason;               // for X-Nova-Route
    std::optional<Error> refusal;
    // Set exactly when the local model is on its way, so that waiting helps. With a refusal it goes
    // into its body; with attempts they are what is done meanwhile, unless the client prefers to
    // wait.
    std::optional<Loading> loading;
    std::optional<SlotName> wake;      // parked: nobody brings it back until it is woken
    bool waited_as_preferred = false;  // Preference-Applied: wait
};

// Errors in the plan: not_found (word model_not_found), unavailable (known, not ready).
RoutePlan plan_route(const RoutingTable& table, std::string_view model);

// ---- with the embed slot beside the local one

enum class Use : std::uint8_t { generation, embedding };

// Generation goes to the local slot. An embedding goes where its model is named, the embed slot
// first; the local slot's model is embedded by the embed slot when its own engine cannot. Errors
// besides those above: invalid_argument (the model only makes embeddings).
RoutePlan plan_route(const RoutingTable& table, std::string_view model, Use use);

// ---- with clouds behind them

struct RouteRequest {
    std::string_view model;
    Use use = Use::generation;
    const Access* access = nullptr;  // empty: everything is allowed
};

// The chain: the active backend and the clouds in their order, turned round by cloud_first; of them
// first who is named by alias or prefix, then who has the model, then, when somebody has it, who
// would be asked for its default instead. An embedding has no such last resort: vectors of two
// models must not be mixed unseen.
//
// A name is an alias, else what the local backend lists, else PROVIDER/MODEL of a configured cloud,
// else what a cloud lists: "openai/gpt-oss-20b" of the local backend never goes to OpenAI.
//
// Errors besides those above: forbidden (word provider_not_allowed). A name that the key may not
// use, nor what it stands for, is not_found like one that does not exist.
RoutePlan plan_route(const RoutingTable& table, const RouteRequest& request);

}  // namespace nova::gateway

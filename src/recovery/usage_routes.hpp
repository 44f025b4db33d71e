// GET /usage: who used what; GET /inference/requests: what runs now.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "net/route_table.hpp"
#include "recovery/admin_auth.hpp"
#include "store/usage_ledger.hpp"

namespace nova::recovery {

// A request as it runs, without anything of what is asked or answered.
struct RunningRequest {
    std::string id;
    std::string route;
    std::string model;     // as the client wrote it
    std::string provider;  // empty: none yet
    std::string key_id;    // empty: nobody's key
    std::string key_name;
    std::string phase;  // waiting, asking, answering
    WallTime since{};
    std::uint64_t bytes = 0;  // of the answer, from the provider
};

struct UsageParts {
    AdminAuth& auth;
    const Clock& clock;
    store::UsageLedger* ledger = nullptr;  // null: there is none
    std::function<Task<std::vector<RunningRequest>>()> running;
};

// parts outlives the table.
void add_usage_routes(net::RouteTable& table, UsageParts& parts);

}  // namespace nova::recovery

// A route of the control API: the same under both bases, and nothing without the admin secret.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "core/json.hpp"
#include "net/route_table.hpp"
#include "recovery/admin_auth.hpp"

namespace nova::recovery {

// pattern: below the base, "/keys/{id}". auth outlives the table.
void add_guarded_route(
    net::RouteTable& table, AdminAuth& auth, std::string_view method, std::string_view pattern,
    net::Handler handler
);

Task<void> answer_json(net::Exchange& exchange, int status, const Json& value);
Task<void> answer_error(net::Exchange& exchange, Error error);

// Who asked, for the record: "cli", "dashboard" or "api"; a word of our own clients, not proof of
// anything.
std::string actor_of(const net::Exchange& exchange);

}  // namespace nova::recovery

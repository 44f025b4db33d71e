// GET, POST and DELETE /keys.
#pragma once

#include "core/clock.hpp"
#include "net/route_table.hpp"
#include "recovery/admin_auth.hpp"
#include "recovery/key_book.hpp"

namespace nova::recovery {

// All of it outlives the table.
void add_key_routes(net::RouteTable& table, AdminAuth& auth, KeyBook& keys, const Clock& clock);

}  // namespace nova::recovery

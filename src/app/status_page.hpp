// What a browser finds at / until the dashboard exists.
#pragma once

#include "net/route_table.hpp"

namespace nova::app {

void add_status_page(net::RouteTable& routes);

}  // namespace nova::app

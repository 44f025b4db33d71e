// For tests: routing tables whose upstreams are one scripted server, told apart by their base path.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gateway/routing_table.hpp"

namespace nova::gateway::testing {

// Upstream number n has the id local/n and the base path /n/v1.
class TestTables {
protected:
    static UpstreamId id(int number) { return {fmt::format("local/{}", number)}; }

    // Knows the model m, as every table here, and nothing else.
    static RoutingTable known() {
        RoutingTable table;
        table.wanted_provider = "llamacpp";
        table.known_models = {"m"};
        return table;
    }

    RoutingTable serving(int number, std::string model = "m") const {
        auto upstream = std::make_shared<Upstream>();
        upstream->id = id(number);
        upstream->provider = "llamacpp";
        upstream->endpoint = behind_;
        upstream->base_path = fmt::format("/{}/v1", number);
        upstream->models = {std::move(model)};
        upstream->options.include_usage = false;  // its bytes are left as they are
        RoutingTable table = known();
        table.known_models = upstream->models;
        table.local = std::move(upstream);
        return table;
    }

    // A provider outside the house with the same script as the local one of that number; asked for
    // "theirs" instead of m unless it has the model itself.
    std::shared_ptr<Upstream> cloud(int number) const {
        auto upstream = std::make_shared<Upstream>(*serving(number).local);
        upstream->id = UpstreamId{fmt::format("cloud/c{}", number)};
        upstream->provider = fmt::format("c{}", number);
        upstream->where = Where::cloud;
        return upstream;
    }

    static RoutingTable loading(Loading how = {.phase = "starting"}) {
        RoutingTable table = known();
        table.loading = std::move(how);
        return table;
    }

    Endpoint behind_;
};

}  // namespace nova::gateway::testing

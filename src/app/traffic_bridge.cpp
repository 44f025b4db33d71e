// The only file that includes both planes.
#include "app/traffic_bridge.hpp"

#include <utility>

namespace nova::app {

gateway::RoutingTable routing_table_from(const lifecycle::SlotView& view, Epoch epoch) {
    gateway::RoutingTable table;
    table.epoch = epoch;
    table.wanted_provider = view.provider;
    table.known_models = view.known_models;
    table.error = view.error;
    if (view.loading) {
        table.loading = gateway::Loading{
            .phase = view.loading->phase,
            .progress = view.loading->progress,
            .eta_s = view.loading->eta_s,
        };
    }
    if (view.open) {
        auto upstream = std::make_shared<gateway::Upstream>();
        upstream->id = view.open->id;
        upstream->provider = view.open->provider;
        upstream->endpoint = view.open->endpoint;
        upstream->base_path = view.open->base_path;
        upstream->auth_header_name = view.open->auth_header_name;
        upstream->auth_header_value = view.open->auth_header_value;
        upstream->models = view.open->models;
        upstream->models_known = view.open->models_known;
        table.local = std::move(upstream);
    }
    return table;
}

Task<Result<Epoch>> TrafficBridge::publish(lifecycle::SlotView view) {
    ++epoch_.value;
    const Epoch epoch = epoch_;
    auto table = std::make_shared<const gateway::RoutingTable>(routing_table_from(view, epoch));
    open_ = table->local != nullptr;
    co_await plane_.publish(std::move(table));
    co_return epoch;
}

Task<std::size_t> TrafficBridge::drained(UpstreamId upstream, Deadline deadline) {
    co_return co_await plane_.drained(std::move(upstream), deadline);
}

Task<void> TrafficBridge::cut(UpstreamId upstream) {
    co_await plane_.cut(std::move(upstream));
}

}  // namespace nova::app

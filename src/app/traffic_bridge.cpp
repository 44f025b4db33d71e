// The only file that includes both planes.
#include "app/traffic_bridge.hpp"

#include <algorithm>
#include <utility>

#include "lifecycle/slots.hpp"

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
        upstream->embeds = view.open->embeds;
        table.local = std::move(upstream);
    }
    return table;
}

gateway::RoutingTable routing_table_from(
    const lifecycle::SlotView& local, const lifecycle::SlotView& embed, const EmbedsRule& embeds,
    Epoch epoch
) {
    gateway::RoutingTable table = routing_table_from(local, epoch);
    table.local_embeds = table.local ? table.local->embeds : embeds(local.provider);
    // Nothing wanted there: its last models are unknown names again, not ones to wait for.
    if (embed.open || (!embed.provider.empty() && embed.provider != "none")) {
        table.embed =
            std::make_shared<const gateway::RoutingTable>(routing_table_from(embed, epoch));
    }
    return table;
}

bool TrafficBridge::open() const {
    return std::ranges::any_of(views_, [](const auto& entry) {
        return entry.second.open.has_value();
    });
}

// From the view to the messages for the workers nothing waits: publications of two slots reach
// every worker in the order of their epochs, and each holds the newest view of both.
Task<Result<Epoch>> TrafficBridge::publish(lifecycle::SlotView view) {
    ++epoch_.value;
    const Epoch epoch = epoch_;
    const SlotName slot = view.slot;
    views_.insert_or_assign(slot, std::move(view));
    auto table = std::make_shared<const gateway::RoutingTable>(routing_table_from(
        views_[SlotName{std::string{lifecycle::kLocalSlot}}],
        views_[SlotName{std::string{lifecycle::kEmbedSlot}}], embeds_, epoch
    ));
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

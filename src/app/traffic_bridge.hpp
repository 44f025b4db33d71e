// Where control meets data: slot views become routing tables.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "app/data_plane.hpp"
#include "lifecycle/ports.hpp"

namespace nova::app {

// What a table says about a view; pure.
gateway::RoutingTable routing_table_from(const lifecycle::SlotView& view, Epoch epoch);

// Says of an engine word whether its servers answer /v1/embeddings.
using EmbedsRule = std::function<bool(const std::string& engine)>;

// What a table says about both slots; pure.
gateway::RoutingTable routing_table_from(
    const lifecycle::SlotView& local, const lifecycle::SlotView& embed, const EmbedsRule& embeds,
    Epoch epoch
);

class TrafficBridge final : public lifecycle::TrafficPort {
public:
    TrafficBridge(DataPlane& plane, EmbedsRule embeds)
        : plane_{plane}, embeds_{std::move(embeds)} {}

    // Is traffic open on any slot, as last published.
    bool open() const;

    Task<Result<Epoch>> publish(lifecycle::SlotView view) override;
    Task<std::size_t> drained(UpstreamId upstream, Deadline deadline) override;
    Task<void> cut(UpstreamId upstream) override;

private:
    DataPlane& plane_;
    EmbedsRule embeds_;
    Epoch epoch_{0};
    std::map<SlotName, lifecycle::SlotView> views_;  // as last published
};

}  // namespace nova::app

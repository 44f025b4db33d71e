// Where control meets data: slot views become routing tables.
#pragma once

#include "app/data_plane.hpp"
#include "lifecycle/ports.hpp"

namespace nova::app {

// What a table says about a view; pure.
gateway::RoutingTable routing_table_from(const lifecycle::SlotView& view, Epoch epoch);

class TrafficBridge final : public lifecycle::TrafficPort {
public:
    explicit TrafficBridge(DataPlane& plane) : plane_{plane} {}

    // Is traffic open, as last published.
    bool open() const { return open_; }

    Task<Result<Epoch>> publish(lifecycle::SlotView view) override;
    Task<std::size_t> drained(UpstreamId upstream, Deadline deadline) override;
    Task<void> cut(UpstreamId upstream) override;

private:
    DataPlane& plane_;
    Epoch epoch_{0};
    bool open_ = false;
};

}  // namespace nova::app

// Where control meets data: slot views become routing tables.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "app/data_plane.hpp"
#include "app/loading_eta.hpp"
#include "lifecycle/ports.hpp"

namespace nova::app {

// What a table says about a view; pure. meters: of the open upstream.
gateway::RoutingTable routing_table_from(
    const lifecycle::SlotView& view, Epoch epoch,
    std::shared_ptr<gateway::UpstreamMeters> meters = nullptr
);

class TrafficBridge final : public lifecycle::TrafficPort {
public:
    explicit TrafficBridge(DataPlane& plane) : plane_{plane} {}

    // Is traffic open, as last published.
    bool open() const { return open_; }

    Task<Result<Epoch>> publish(lifecycle::SlotView view) override;
    Task<std::size_t> drained(UpstreamId upstream, Deadline deadline) override;
    Task<void> cut(UpstreamId upstream) override;
    lifecycle::TrafficActivity activity(const UpstreamId& upstream) const override;

private:
    std::shared_ptr<gateway::UpstreamMeters> meters_of(const UpstreamId& upstream);

    DataPlane& plane_;
    std::map<SlotName, LoadingEta> etas_;
    // As first published; the oldest are forgotten.
    std::vector<std::pair<UpstreamId, std::shared_ptr<gateway::UpstreamMeters>>> meters_;
    Epoch epoch_{0};
    bool open_ = false;
};

}  // namespace nova::app

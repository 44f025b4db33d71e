// Where control meets data: slot views become routing tables.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
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

// Says of an engine word whether its servers answer /v1/embeddings.
using EmbedsRule = std::function<bool(const std::string& engine)>;

// The meters of an upstream, the same ones as long as it is known.
using MetersOf = std::function<std::shared_ptr<gateway::UpstreamMeters>(const UpstreamId&)>;

// What a table says about both slots; pure but for meters_of, which may be empty.
gateway::RoutingTable routing_table_from(
    const lifecycle::SlotView& local, const lifecycle::SlotView& embed, const EmbedsRule& embeds,
    Epoch epoch, const MetersOf& meters_of = {}
);

// What a table says besides the slots: settings and clouds.
struct RoutingChoices {
    gateway::Strategy strategy = gateway::Strategy::local_first;
    std::vector<std::shared_ptr<const gateway::Upstream>> clouds{};
    std::vector<gateway::Alias> aliases{};
};

// The strategy of that word ("cloud-first"); local_first for any other.
gateway::Strategy gateway_strategy_from(std::string_view word);
// Pairs of the setting routing_aliases; "PROVIDER/MODEL" means that provider alone where it is one
// of the clouds.
std::vector<gateway::Alias> gateway_aliases_from(
    const std::vector<std::pair<std::string, std::string>>& pairs,
    const std::vector<std::shared_ptr<const gateway::Upstream>>& clouds
);

class TrafficBridge final : public lifecycle::TrafficPort {
public:
    TrafficBridge(DataPlane& plane, EmbedsRule embeds)
        : plane_{plane}, embeds_{std::move(embeds)} {}

    // Is traffic open on any slot, as last published.
    bool open() const;
    // Can some route answer under the strategy (decisions.md 2.25).
    bool can_answer() const;

    // From its return on everybody routes by these choices, and so does every later publication.
    Task<void> choose(RoutingChoices choices);

    const RoutingChoices& choices() const { return choices_; }

    // Lists have been asked for because a model was missed: who waits for that is told.
    Task<void> looked();

    Task<Result<Epoch>> publish(lifecycle::SlotView view) override;
    Task<std::size_t> drained(UpstreamId upstream, Deadline deadline) override;
    Task<void> cut(UpstreamId upstream) override;
    lifecycle::TrafficActivity activity(const UpstreamId& upstream) const override;

private:
    std::shared_ptr<const gateway::RoutingTable> next_table();
    std::shared_ptr<gateway::UpstreamMeters> meters_of(const UpstreamId& upstream);

    DataPlane& plane_;
    EmbedsRule embeds_;
    std::map<SlotName, LoadingEta> etas_;
    // As first published; the oldest are forgotten.
    std::vector<std::pair<UpstreamId, std::shared_ptr<gateway::UpstreamMeters>>> meters_;
    Epoch epoch_{0};
    std::uint64_t looks_ = 0;
    RoutingChoices choices_;
    std::map<SlotName, lifecycle::SlotView> views_;  // as last published
};

}  // namespace nova::app

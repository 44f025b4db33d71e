// The one door to the outside: no connection to a cloud is opened without a permit, and only this
// function makes one.
#pragma once

#include <optional>

#include "gateway/gatekeeper.hpp"
#include "gateway/routing_table.hpp"

namespace nova::gateway {

// Says that a connection to that upstream may be opened now. Whoever dials asks for it just before,
// with the table as it is then: a plan may be older than a change of the mode.
class LeavePermit {
public:
    const UpstreamId& upstream() const { return upstream_; }

private:
    explicit LeavePermit(UpstreamId upstream) : upstream_{std::move(upstream)} {}

    friend std::optional<LeavePermit>
    leave_permit(const RoutingTable& table, const Access* access, const Upstream& upstream);

    UpstreamId upstream_;
};

// Empty for a cloud under local_only or when the access says never_cloud, for a local upstream
// under cloud_only, and for a provider outside the access's scope. access: empty for nova itself.
std::optional<LeavePermit>
leave_permit(const RoutingTable& table, const Access* access, const Upstream& upstream);

}  // namespace nova::gateway

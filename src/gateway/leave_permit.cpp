// Who may leave.
#include "gateway/leave_permit.hpp"

namespace nova::gateway {

std::optional<LeavePermit>
leave_permit(const RoutingTable& table, const Access* access, const Upstream& upstream) {
    const bool cloud = upstream.where == Where::cloud;
    if (cloud && table.strategy == Strategy::local_only) {
        return std::nullopt;
    }
    if (!cloud && table.strategy == Strategy::cloud_only) {
        return std::nullopt;
    }
    if (access != nullptr && !access->may_use(upstream)) {
        return std::nullopt;
    }
    return LeavePermit{upstream.id};
}

}  // namespace nova::gateway

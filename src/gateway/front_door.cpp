// The list of what is open, and to whom.
#include "gateway/front_door.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/gateway_routes.hpp"
#include "gateway/request_id.hpp"
#include "net/admission.hpp"

namespace nova::gateway {
namespace {

struct Row {
    std::string_view path;
    Door door;
};

constexpr std::array<Row, 9> kRows{{
    {"/health/live", Door::open},
    {"/health/ready", Door::open},
    {"/v1/health/live", Door::open},
    {"/v1/health/ready", Door::open},
    {"/health/inflight", Door::loopback},
    {"/v1/health/inflight", Door::loopback},
    {"/health/providers", Door::loopback},
    {"/v1/health/providers", Door::loopback},
    {"/metrics", Door::loopback},
}};

}  // namespace

Door door_of(std::string_view method, std::string_view path) {
    if (method == "POST") {
        return is_relay_path(path) ? Door::handler : Door::key;
    }
    const auto it = std::ranges::find(kRows, path, &Row::path);
    return it == kRows.end() ? Door::key : it->door;
}

FrontDoor::FrontDoor(
    net::Admission hosts, KeyGatekeeper& gatekeeper, RequestObserver& observer, const Clock& clock,
    Loopback loopback
)
    : hosts_{std::move(hosts)}, gatekeeper_{gatekeeper}, observer_{observer}, clock_{clock},
      loopback_{loopback} {}

std::optional<Error> FrontDoor::admit(const net::RequestHead& head, const net::Peer& peer) {
    if (auto foreign = hosts_(head, peer)) {
        return foreign;
    }
    switch (door_of(head.method, head.path())) {
    case Door::open:
    case Door::handler:
        return std::nullopt;
    case Door::loopback:
        if (loopback_ == Loopback::open && peer.loopback &&
            !net::came_through_proxy(head.headers)) {
            return std::nullopt;
        }
        break;
    case Door::key:
        break;
    }
    const auto access = gatekeeper_.admit(head, peer);
    if (access) {
        return std::nullopt;
    }
    refused(head, access.error());
    return access.error();
}

// The path is what a stranger made up: it goes nowhere.
void FrontDoor::refused(const net::RequestHead& head, const Error& error) {
    RequestRecord record;
    const std::string_view id = head.headers.find("X-Request-Id");
    record.request_id = is_safe_request_id(id) ? id : std::string_view{};
    record.route = "none";
    record.operation = "none";
    record.end = RequestEnd::refused;
    record.status = policy(error.code).http_status;
    record.why = error.name();
    record.began_at = clock_.wall_now();
    observer_.ended(record);
}

}  // namespace nova::gateway

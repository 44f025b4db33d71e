// The list of what is open, and to whom.
#include "gateway/front_door.hpp"

#include <algorithm>
#include <array>
#include <utility>

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

// For the log of a request that never reached a route: an id that is safe to write down.
std::string_view safe_id(std::string_view id) {
    const bool safe = id.size() <= 64 && std::ranges::all_of(id, [](char c) {
                          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                 (c >= '0' && c <= '9') || c == '-' || c == '_';
                      });
    return safe ? id : std::string_view{};
}

}  // namespace

Door door_of(std::string_view path) {
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
    switch (door_of(head.path())) {
    case Door::open:
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
    auto error = gatekeeper_.look(head, peer);
    if (error) {
        refused(head, *error);
    }
    return error;
}

// The path is what a stranger made up: it goes nowhere.
void FrontDoor::refused(const net::RequestHead& head, const Error& error) {
    RequestRecord record;
    record.request_id = safe_id(head.headers.find("X-Request-Id"));
    record.route = "none";
    record.operation = "none";
    record.end = RequestEnd::refused;
    record.status = policy(error.code).http_status;
    record.why = error.name();
    record.began_at = clock_.wall_now();
    observer_.ended(record);
}

}  // namespace nova::gateway

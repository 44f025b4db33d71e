// GET /inference/events: what happened and happens, as server-sent events that can be resumed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/task.hpp"
#include "lifecycle/backend_control.hpp"
#include "net/exchange.hpp"
#include "store/state_store.hpp"

namespace nova::recovery {

struct EventStreamLimits {
    std::size_t queued_events = 256;  // per subscriber; one that is further behind is cut
    std::chrono::seconds heartbeat{15};
    std::size_t replay_page = 500;
};

struct EventSource {
    store::StateStore& store;
    lifecycle::EventFeed& feed;
    Clock& clock;
    EventStreamLimits limits{};
};

// Writes hello (its data is `hello`), then everything after the Last-Event-ID the client named,
// from the store, then live news until the client leaves. Each event's data is
// {"id", "type", "at", "data"}. The source must outlive the call.
Task<void> stream_events(net::Exchange& exchange, EventSource source, std::string hello);

// From the header Last-Event-ID, else the query parameter last_event_id.
// Error: invalid_argument when it is no number.
Result<std::optional<std::uint64_t>> last_event_id(const net::RequestHead& head);

}  // namespace nova::recovery

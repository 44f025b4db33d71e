// What the requests of one worker share. Single-threaded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "core/gate.hpp"
#include "core/log.hpp"
#include "gateway/breaker.hpp"
#include "gateway/leave_permit.hpp"
#include "gateway/policy.hpp"
#include "gateway/request_id.hpp"
#include "gateway/request_peek.hpp"
#include "gateway/router.hpp"
#include "gateway/waiting_room.hpp"
#include "gateway/worker_ports.hpp"
#include "net/http_server.hpp"
#include "net/upstream.hpp"

namespace nova::gateway {

// A request that is on its way to an upstream; registered while it has a connection.
struct ActiveRelay {
    const Upstream* upstream = nullptr;
    net::UpstreamConnection* connection = nullptr;
    net::Exchange* exchange = nullptr;
    bool client_left = false;
    bool cut = false;
    std::size_t place = 0;  // index in WorkerState::active

    // Ends the upstream side; the relay notices by its next read failing.
    void interrupt() {
        if (connection != nullptr) {
            connection->close();
        }
    }
};

struct Access;
class RelayJob;

// Requests for models nobody knows.
struct MissedModels {
    WaitingRoom room;
    bool looking = false;  // for one of them, and it is not known how that ended
    TimePoint next_at{};   // of the next look
};

struct WorkerState {
    WorkerState(
        asio::any_io_executor executor, Clock& the_clock, Log& the_log,
        const GatewayPolicy& the_policy, net::Admission admission, GatewayEvents& the_events,
        AllCounters& all_counters, std::size_t own_index, WorkerPorts the_ports
    );

    struct UpstreamGate {
        UpstreamId id;
        Endpoint endpoint;  // where its connections lead now; it may move under its id
        Gate gate;
        Breaker* breaker = nullptr;  // of clouds: the local ones have their lifecycle
    };

    // A lease of the upstream; empty when it is closed or was never published here.
    std::optional<Gate::Lease> enter(const Upstream& upstream);
    UpstreamGate* find_gate(const UpstreamId& id) const;
    // Lets requests in, with everything they need to reach it.
    void open_gate(const Upstream& upstream);
    void add_gate(const Upstream& upstream);
    Breaker* breaker_of(const UpstreamId& upstream) const;
    // Every connection to a provider is opened here, with a permit asked for just before.
    Task<Result<net::UpstreamPool::Acquired>>
    connect(const Upstream& upstream, const LeavePermit& permit);
    void add(ActiveRelay& relay);
    void remove(ActiveRelay& relay);
    // This worker's meter of the upstream; null when nobody wants to know.
    UpstreamMeter* meter_of(const Upstream& upstream) const;
    // The scope of whoever asks; null: everything is allowed. Errors: as Gatekeeper::admit.
    Result<std::shared_ptr<const Access>> access_of(const net::Exchange& exchange) const;
    // Tells upwards that the plan's slot is asked for, once per table.
    void wake(const RoutePlan& plan);
    void cut(const UpstreamId& upstream);

    Clock& clock;
    Log& log;
    GatewayPolicy policy;  // what is read of it while requests run may change meanwhile
    GatewayEvents& events;
    WorkerPorts ports;
    BreakerBoard own_breakers;  // unless the ports have some
    AllCounters& all;
    WorkerCounters& counters;
    std::size_t own;  // index of counters, and of this worker's meters
    std::shared_ptr<const RoutingTable> table;
    std::vector<std::unique_ptr<UpstreamGate>> gates;
    std::vector<ActiveRelay*> active;
    std::vector<RelayJob*> jobs;  // every request from its head to its end
    std::vector<SlotName> woken;  // since the last table
    WaitingRoom room;
    MissedModels missed;
    asio::steady_timer cut_grace;
    RequestPeeker peeker;
    RequestIds request_ids;
    std::unique_ptr<net::TlsClient> tls;  // from the first upstream that needs it
    net::UpstreamPool pool;
    net::RouteTable routes;
    net::HttpServer server;
};

}  // namespace nova::gateway

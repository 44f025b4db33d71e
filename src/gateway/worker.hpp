// One thread of the data plane: a listener, an upstream pool, a routing table, gates.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/deadline.hpp"
#include "core/log.hpp"
#include "gateway/policy.hpp"
#include "gateway/routing_table.hpp"
#include "gateway/running_request.hpp"
#include "gateway/worker_ports.hpp"
#include "net/http_server.hpp"

namespace nova::gateway {

struct WorkerState;

// Everything here is called on the executor's thread. log, clock, events, counters and ports
// outlive it.
class Worker {
public:
    // own: this worker's counters, one of all.
    Worker(
        asio::any_io_executor executor, Clock& clock, Log& log, const GatewayPolicy& policy,
        net::Admission admission, GatewayEvents& events, AllCounters& all, std::size_t own,
        WorkerPorts ports = {}
    );
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker();

    // Error: conflict or precondition, naming the port.
    Result<Endpoint> listen(const Endpoint& at);
    Task<void> run();
    void stop();
    Task<void> finish(Deadline deadline);

    // Before run(). A route beside the gateway's own; what the handler uses outlives the worker.
    void add_route(std::string method, std::string pattern, net::Handler handler);
    std::vector<net::RouteTable::Entry> routes() const;

    std::shared_ptr<const RoutingTable> table() const;
    std::vector<RunningRequest> running() const;

    // What of it is no size of something that is made at the start: the timeouts of answers, the
    // heartbeat, the waits for a load. From its return on every wait that begins goes by it.
    void change_policy(const GatewayPolicy& policy);

    // From its return on no request of this worker is admitted by an older table.
    void install(std::shared_ptr<const RoutingTable> table);
    // Calls back once when no lease of that upstream is left here; at once when none is.
    void when_drained(const UpstreamId& upstream, std::move_only_function<void()> callback);
    std::size_t inflight(const UpstreamId& upstream) const;
    // Ends what still runs there: each stream gets its error event, then its connection closes.
    void cut(const UpstreamId& upstream);

private:
    std::unique_ptr<WorkerState> state_;
};

}  // namespace nova::gateway

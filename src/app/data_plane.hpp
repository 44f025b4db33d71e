// The gateway's threads, seen from the control thread: start, publish, drain, cut, stop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/log.hpp"
#include "gateway/api_keys.hpp"
#include "gateway/breaker.hpp"
#include "gateway/metrics.hpp"
#include "gateway/usage_queue.hpp"
#include "gateway/worker.hpp"

namespace nova::app {

// All members on the control thread, from a coroutine of the control executor.
class DataPlane {
public:
    struct Options {
        std::size_t workers = 1;
        gateway::GatewayPolicy policy{};
        net::Admission admission;
        // Called on the control thread when an upstream refused a connection.
        std::function<void(const UpstreamId&)> on_refused;
        // Likewise, when a model of a slot that is parked was asked for.
        std::function<void(const SlotName&)> on_wake{};
        // Likewise, when a model was asked for that nobody knows; empty: nobody looks for it.
        std::function<void(gateway::Reach)> on_missed{};
        // Likewise, when a queue of ended requests should be drained soon.
        std::function<void()> on_ended{};
        gateway::Loopback loopback = gateway::Loopback::open;
        std::string version{};
    };

    DataPlane(asio::any_io_executor control, Clock& clock, Log& log, Options options);
    DataPlane(const DataPlane&) = delete;
    DataPlane& operator=(const DataPlane&) = delete;
    // stop() must have returned, or start() never been called.
    ~DataPlane();

    // Before start(). Port 0: one free port for all workers. Error: precondition, naming the port.
    Result<Endpoint> listen(const Endpoint& at);
    void start();
    // Listeners close, requests may finish until the deadline, threads end.
    Task<void> stop(Deadline deadline);

    // Returns when every worker goes by these keys.
    Task<void> install_keys(std::shared_ptr<const gateway::KeyTable> table);
    // Returns when every worker goes by what of this policy can change while it runs.
    Task<void> change_policy(gateway::GatewayPolicy policy);
    // Returns when every worker routes by this table (decisions.md 2.4).
    Task<void> publish(std::shared_ptr<const gateway::RoutingTable> table);
    // Waits until no worker holds a lease of the upstream; returns how many are left at the
    // deadline.
    Task<std::size_t> drained(UpstreamId upstream, Deadline deadline);
    Task<void> cut(UpstreamId upstream);

    // What runs on every worker, in no order.
    Task<std::vector<gateway::RunningRequest>> running_requests();

    // How the breaker of a cloud stands; and what it has seen so far says nothing any more.
    std::string_view circuit(const UpstreamId& upstream);
    void forget_failures(const UpstreamId& upstream);

    const gateway::AllCounters& counters() const { return counters_; }

    const Clock& clock() const { return clock_; }

    gateway::Metrics& metrics() { return metrics_; }

    // The same on every worker.
    std::vector<net::RouteTable::Entry> routes() const;

    // One per worker; their reading end. They live as long as the plane.
    std::vector<gateway::UsageQueue*> usage_queues();

private:
    struct Thread;
    class Events;
    Task<void> on_every_worker(std::function<void(gateway::Worker&)> action);
    Task<void> stop_worker(Thread& thread, Deadline deadline);
    void add_worker(const Options& options, std::size_t own);
    Task<void> tell_metrics(net::Exchange& exchange, const gateway::Worker& worker);

    asio::any_io_executor control_;
    Clock& clock_;
    Log& log_;
    std::unique_ptr<Events> events_;
    gateway::AllCounters counters_;
    gateway::KeyDesk keys_;
    gateway::BreakerBoard breakers_;
    gateway::Metrics metrics_;
    std::string version_;
    std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace nova::app

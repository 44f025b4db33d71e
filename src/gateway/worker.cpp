// Publication, gates and cuts of one worker.
#include "gateway/worker.hpp"

#include <utility>
#include <vector>

#include "gateway/gatekeeper.hpp"
#include "gateway/gateway_routes.hpp"
#include "gateway/openai_error.hpp"
#include "gateway/relay_job.hpp"
#include "gateway/worker_state.hpp"

namespace nova::gateway {
namespace {

std::string render(const Error& error) {
    return openai_error_body(error);
}

net::ServerLimits limits_from(const GatewayPolicy& policy) {
    net::ServerLimits limits;
    limits.body_bytes = policy.body_bytes;
    limits.body_budget = policy.body_budget;
    limits.write_timeout = policy.stall_timeout;
    return limits;
}

}  // namespace

WorkerState::WorkerState(
    asio::any_io_executor executor, Clock& the_clock, Log& the_log, const GatewayPolicy& the_policy,
    net::Admission admission, GatewayEvents& the_events, AllCounters& all_counters,
    std::size_t own_index, WorkerPorts the_ports
)
    : clock{the_clock}, log{the_log}, policy{the_policy}, events{the_events}, ports{the_ports},
      all{all_counters}, counters{all_counters.at(own_index)}, own{own_index},
      table{std::make_shared<const RoutingTable>()},
      room{executor, all_counters, own_index, the_policy.waiting_places},
      missed{
          .room =
              {executor, all_counters, own_index, the_policy.look_places, &WorkerCounters::looking}
      },
      cut_grace{executor}, pool{the_clock, nullptr, net::UpstreamPool::Limits{.listens = true}},
      server{std::move(executor), the_clock, the_log, routes, limits_from(the_policy), &render,
             std::move(admission)} {}

std::optional<Gate::Lease> WorkerState::enter(const Upstream& upstream) {
    UpstreamGate* found = find_gate(upstream.id);
    return found == nullptr ? std::nullopt : found->gate.try_enter();
}

WorkerState::UpstreamGate* WorkerState::find_gate(const UpstreamId& id) const {
    const auto it = std::ranges::find_if(gates, [&](const auto& gate) { return gate->id == id; });
    return it == gates.end() ? nullptr : it->get();
}

void WorkerState::open_gate(const Upstream& upstream) {
    if (upstream.endpoint.tls && !tls) {
        tls = std::make_unique<net::TlsClient>();  // reads the system's roots: not for everybody
        pool.use_tls(*tls);
    }
    UpstreamGate* const found = find_gate(upstream.id);
    if (found == nullptr) {
        add_gate(upstream);
        return;
    }
    if (found->endpoint != upstream.endpoint) {
        pool.forget(found->endpoint);
        found->endpoint = upstream.endpoint;
    }
    found->gate.open();  // it may be wanted again while its last requests run
}

void WorkerState::add_gate(const Upstream& upstream) {
    auto entry = std::make_unique<UpstreamGate>();
    entry->id = upstream.id;
    entry->endpoint = upstream.endpoint;
    if (upstream.where == Where::cloud) {
        BreakerBoard& board = ports.breakers == nullptr ? own_breakers : *ports.breakers;
        entry->breaker = &board.of(upstream.id.value);
    }
    gates.push_back(std::move(entry));
}

Breaker* WorkerState::breaker_of(const UpstreamId& upstream) const {
    const UpstreamGate* const found = find_gate(upstream);
    return found == nullptr ? nullptr : found->breaker;
}

Task<Result<net::UpstreamPool::Acquired>>
WorkerState::connect(const Upstream& upstream, const LeavePermit& permit) {
    NOVA_CHECK(permit.upstream() == upstream.id);
    const Deadline deadline = Deadline::in(clock, policy.dial_timeout);
    return pool.acquire(upstream.endpoint, deadline, net::UpstreamPool::Freshness::fresh);
}

void WorkerState::add(ActiveRelay& relay) {
    relay.place = active.size();
    active.push_back(&relay);
    counters.active_relays.store(
        static_cast<std::int64_t>(active.size()), std::memory_order_relaxed
    );
}

void WorkerState::remove(ActiveRelay& relay) {
    ActiveRelay* last = active.back();
    active[relay.place] = last;
    last->place = relay.place;
    active.pop_back();
    counters.active_relays.store(
        static_cast<std::int64_t>(active.size()), std::memory_order_relaxed
    );
}

UpstreamMeter* WorkerState::meter_of(const Upstream& upstream) const {
    return upstream.meters ? &upstream.meters->at(own) : nullptr;
}

Result<std::shared_ptr<const Access>> WorkerState::access_of(const net::Exchange& exchange) const {
    if (ports.gatekeeper == nullptr) {
        return nullptr;
    }
    return ports.gatekeeper->admit(exchange.request(), exchange.peer());
}

void WorkerState::wake(const RoutePlan& plan) {
    if (plan.wake && std::ranges::find(woken, *plan.wake) == woken.end()) {
        woken.push_back(*plan.wake);
        events.wake(*plan.wake);
    }
}

// The upstream side ends at once. A client that takes nothing is not waited for beyond the grace:
// its lease would hold for as long as it pleases to stall.
void WorkerState::cut(const UpstreamId& upstream) {
    for (ActiveRelay* relay : active) {
        if (relay->upstream->id == upstream) {
            relay->cut = true;
            relay->interrupt();
        }
    }
    cut_grace.expires_at(clock.now() + policy.cut_grace);
    cut_grace.async_wait([this](boost::system::error_code code) {
        if (code) {
            return;  // a later cut took the timer over, or the worker is gone
        }
        for (ActiveRelay* relay : active) {
            // Who has not begun its answer waits for no client but for its dial, and what the
            // client then gets is a refusal or another provider's answer.
            if (relay->cut && relay->exchange->started()) {
                relay->exchange->abort();
            }
        }
    });
}

Worker::Worker(
    asio::any_io_executor executor, Clock& clock, Log& log, const GatewayPolicy& policy,
    net::Admission admission, GatewayEvents& events, AllCounters& all, std::size_t own,
    WorkerPorts ports
)
    : state_{std::make_unique<WorkerState>(
          std::move(executor), clock, log, policy, std::move(admission), events, all, own, ports
      )} {
    add_gateway_routes(state_->routes, *state_);
}

Worker::~Worker() = default;

Result<Endpoint> Worker::listen(const Endpoint& at) {
    return state_->server.listen(at, net::PortSharing::reuse_port);
}

Task<void> Worker::run() {
    co_await state_->server.run();
}

void Worker::stop() {
    state_->room.close();
    state_->missed.room.close();
    state_->server.stop();
}

Task<void> Worker::finish(Deadline deadline) {
    co_await state_->server.finish(deadline);
    state_->pool.clear();
    state_->cut_grace.cancel();
}

void Worker::add_route(std::string method, std::string pattern, net::Handler handler) {
    state_->routes.add(std::move(method), std::move(pattern), std::move(handler));
}

std::vector<net::RouteTable::Entry> Worker::routes() const {
    return state_->routes.entries();
}

std::shared_ptr<const RoutingTable> Worker::table() const {
    return state_->table;
}

std::vector<RunningRequest> Worker::running() const {
    std::vector<RunningRequest> list;
    for (const RelayJob* job : state_->jobs) {
        list.push_back(job->describe());
    }
    return list;
}

namespace {

// Everybody a table can send a request to.
std::vector<std::shared_ptr<const Upstream>> upstreams_of(const RoutingTable& table) {
    std::vector<std::shared_ptr<const Upstream>> all;
    for (const auto& slot : {table.local, table.embedder()}) {
        if (slot) {
            all.push_back(slot);
        }
    }
    all.insert(all.end(), table.clouds.begin(), table.clouds.end());
    return all;
}

}  // namespace

void Worker::install(std::shared_ptr<const RoutingTable> table) {
    WorkerState& state = *state_;
    const auto next = upstreams_of(*table);
    const auto stays = [&next](const UpstreamId& id) {
        return std::ranges::any_of(next, [&id](const auto& up) { return up->id == id; });
    };
    for (const auto& entry : state.gates) {
        if (!stays(entry->id)) {
            entry->gate.close();
        }
    }
    for (const auto& before : upstreams_of(*state.table)) {
        if (!stays(before->id)) {
            state.pool.forget(before->endpoint);
        }
    }
    // What is closed and empty is of no further use to anybody: an id of a slot never comes back.
    std::erase_if(state.gates, [](const auto& entry) {
        return entry->gate.closed() && entry->gate.inside() == 0;
    });
    for (const auto& upstream : next) {
        state.open_gate(*upstream);
    }
    if (table->looks != state.table->looks) {
        state.missed.looking = false;
    }
    state.table = std::move(table);
    state.woken.clear();
    state.room.call_everybody();
    state.missed.room.call_everybody();
}

void Worker::change_policy(const GatewayPolicy& policy) {
    GatewayPolicy& now = state_->policy;
    now.head_timeout = policy.head_timeout;
    now.first_content_timeout = policy.first_content_timeout;
    now.total_timeout = policy.total_timeout;
    now.heartbeat = policy.heartbeat;
    now.idle_timeout = policy.idle_timeout;
    now.loading_wait = policy.loading_wait;
    now.loading_wait_most = policy.loading_wait_most;
}

void Worker::when_drained(const UpstreamId& upstream, std::move_only_function<void()> callback) {
    WorkerState::UpstreamGate* found = state_->find_gate(upstream);
    if (found == nullptr) {
        callback();
        return;
    }
    found->gate.when_empty(std::move(callback));
}

std::size_t Worker::inflight(const UpstreamId& upstream) const {
    const WorkerState::UpstreamGate* found = state_->find_gate(upstream);
    return found == nullptr ? 0 : found->gate.inside();
}

void Worker::cut(const UpstreamId& upstream) {
    state_->cut(upstream);
}

}  // namespace nova::gateway

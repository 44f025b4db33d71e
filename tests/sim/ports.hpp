// Nova's ports into the simulated world. Each call crosses a border before and after it acts.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/gate.hpp"
#include "gateway/routing_table.hpp"
#include "lifecycle/memory_port.hpp"
#include "lifecycle/ports.hpp"
#include "store/state_store.hpp"
#include "world.hpp"

namespace nova::sim {

class LifeClock final : public Clock {
public:
    explicit LifeClock(Life& life) : life_{life} {}

    TimePoint now() const override;
    WallTime wall_now() const override;
    Task<void> sleep_until(TimePoint time) override;

private:
    Life& life_;
};

class SimRuntime final : public runtime::RuntimeDriver {
public:
    SimRuntime(Life& life, runtime::RuntimeKind kind) : life_{life}, kind_{kind} {}

    Task<Result<runtime::Fingerprint>> fingerprint() override;
    Task<Result<void>> prepare(runtime::InstanceSpec, runtime::ProgressSink) override;
    Task<Result<runtime::InstanceHandle>> start(runtime::InstanceSpec spec) override;
    Task<Result<runtime::InstanceStatus>> inspect(runtime::InstanceHandle handle) override;
    Task<Result<runtime::ExitStatus>> wait(runtime::InstanceHandle handle) override;
    Task<Result<void>> stop(runtime::InstanceHandle handle, Force force) override;
    Task<Result<std::vector<runtime::OwnedInstance>>> list_owned(InstallId, SlotName) override;
    Task<Result<std::string>> log_tail(runtime::InstanceHandle handle, Bytes) override;
    Task<Result<runtime::ExecOutput>>
        exec(runtime::InstanceHandle, std::vector<std::string>, Deadline) override;

private:
    Life& life_;
    runtime::RuntimeKind kind_;
};

class SimEngine final : public lifecycle::EngineClient {
public:
    explicit SimEngine(Life& life) : life_{life} {}

    Task<lifecycle::ProbeResult> probe(lifecycle::ProbeTarget target, Deadline deadline) override;
    Task<Result<lifecycle::ServedModels>> models(lifecycle::ProbeTarget, Deadline) override;
    Task<Result<void>>
        load(lifecycle::ProbeTarget, engine::ResolvedModel, runtime::ProgressSink) override;
    Task<Result<void>> unload(lifecycle::ProbeTarget, std::string model, Deadline) override;
    Task<std::optional<std::uint64_t>>
    counters(lifecycle::ProbeTarget target, Deadline deadline) override;
    Task<bool> canary(
        lifecycle::ProbeTarget target, std::string api_base, std::string model, Deadline deadline
    ) override;

private:
    Task<lifecycle::ProbeResult::Verdict> judge(Engine& engine, Deadline deadline);

    Life& life_;
};

class SimWeights final : public lifecycle::Weights {
public:
    explicit SimWeights(Life& life) : life_{life} {}

    Task<Result<engine::ResolvedModel>>
    ensure(engine::BackendSpec spec, runtime::ProgressSink progress) override;

private:
    Life& life_;
};

// Room for two at times.
class SimMemory final : public lifecycle::MemoryPort {
public:
    explicit SimMemory(Life& life) : life_{life} {}

    Task<lifecycle::MemoryAnswer>
    admits(engine::BackendSpec spec, engine::ResolvedModel model) override;

    bool admitted_last = false;

private:
    Life& life_;
};

class SimStore final : public store::StateStore {
public:
    explicit SimStore(Life& life) : life_{life} {}

    Task<Result<store::Committed>> commit(std::vector<store::Write> writes) override;
    Task<Result<std::optional<store::Entry>>> get(store::Key key) override;
    Task<Result<std::vector<store::Entry>>> list(std::string key_prefix) override;
    Task<Result<std::vector<store::OperationRow>>> operations(std::size_t limit) override;
    Task<Result<std::optional<store::OperationRow>>> operation(OperationId id) override;
    Task<Result<std::vector<store::EventRow>>>
    events_after(std::uint64_t id, std::size_t limit) override;
    Task<Result<std::size_t>> prune(WallTime before) override;

private:
    Task<std::optional<Error>> refused(std::string_view border);

    Life& life_;
};

UpstreamId upstream_of(Generation instance);

// A request that runs on an upstream.
struct Stream {
    UpstreamId upstream;
    Endpoint endpoint;
    std::optional<Gate::Lease> lease;
};

// What a worker of the gateway does with publications, without its sockets (gateway/worker.cpp).
struct SimWorker {
    struct UpstreamGate {
        UpstreamId id;
        Gate gate;
    };

    UpstreamGate* find(const UpstreamId& id) const;
    void install(std::shared_ptr<const gateway::RoutingTable> next);
    void when_drained(const UpstreamId& id, std::move_only_function<void()> callback) const;
    std::size_t inflight(const UpstreamId& id) const;
    std::size_t streams_on(const UpstreamId& id) const;
    void cut(const UpstreamId& id);

    std::shared_ptr<const gateway::RoutingTable> table =
        std::make_shared<const gateway::RoutingTable>();
    std::vector<std::unique_ptr<UpstreamGate>> gates;
    std::map<std::uint64_t, Stream> streams;
    TimePoint heard{};  // when the last message to it arrives: they keep their order
};

class SimTraffic final : public lifecycle::TrafficPort {
public:
    explicit SimTraffic(Life& life);

    Task<Result<Epoch>> publish(lifecycle::SlotView view) override;
    Task<std::size_t> drained(UpstreamId upstream, Deadline deadline) override;
    Task<void> cut(UpstreamId upstream) override;
    lifecycle::TrafficActivity activity(const UpstreamId& upstream) const override;

    void open_shop();  // clients come from now on
    void engine_ended(const Endpoint& endpoint);
    void close_shop();  // nova has ended: its connections are gone
    std::size_t streams_on(const UpstreamId& id) const;
    std::size_t streams() const;
    bool leases_balance() const;

    bool publishing() const { return publishing_ > 0; }

    std::vector<SimWorker> workers;
    TimePoint used_at{};  // the last time that a request came or ended

private:
    struct Answers;
    void tell(
        std::size_t worker, const std::shared_ptr<Answers>& answers,
        std::function<void(SimWorker&, std::function<void()>)> what
    );
    Task<bool> answered(std::shared_ptr<Answers> answers, std::size_t enough, TimePoint deadline);
    void client_comes(std::size_t worker);
    void client_asks(std::size_t worker);
    void admit(std::size_t worker, const gateway::Upstream& upstream);

    Life& life_;
    Epoch epoch_{0};
    int publishing_ = 0;
    std::uint64_t streams_begun_ = 0;
    std::map<UpstreamId, TimePoint> drain_ended_;  // with requests left
    std::vector<std::weak_ptr<Answers>> waiting_;
    std::shared_ptr<int> shop_;  // empty once nova has ended
};

}  // namespace nova::sim

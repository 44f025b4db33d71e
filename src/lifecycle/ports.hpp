// What the lifecycle needs from the world besides drivers and store: engines, weights, traffic.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/deadline.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/strong.hpp"
#include "engine/engine_spec.hpp"
#include "engine/launch.hpp"
#include "runtime/runtime_driver.hpp"

namespace nova::lifecycle {

// ---- towards the gateway (decisions.md 2.4); the bridge lives in app/traffic_bridge

struct UpstreamView {
    UpstreamId id;         // one per instance, never reused
    std::string provider;  // engine word, shown in X-Nova-Provider
    Endpoint endpoint;
    std::string base_path;         // "/v1"
    std::string auth_header_name;  // empty: none
    Secret auth_header_value;
    engine::Protocol protocol = engine::Protocol::openai;
    std::vector<std::string> models;
    bool models_known = true;  // false: custom server without a list, every name passes
    bool embeds = true;        // answers /v1/embeddings
};

struct LoadingView {
    std::string phase;
    std::optional<double> progress;  // 0..1
    std::optional<double> eta_s;
};

// What the gateway may know of a slot. Traffic is open exactly when open has a value.
struct SlotView {
    SlotName slot;
    std::string provider;  // of what is wanted; "none" when nothing is
    std::optional<UpstreamView> open;
    std::optional<LoadingView> loading;     // set while something wanted is on its way
    std::vector<std::string> known_models;  // 503 rather than 404 while not ready (2.14)
    std::optional<std::string> error;       // why it is closed, one sentence
    bool parked = false;                    // idle and put away: a request wakes it (2.23)
};

// Evidence that an upstream works (decisions.md 2.24).
struct TrafficActivity {
    std::size_t leases = 0;             // requests that run there now
    std::uint64_t bytes = 0;            // received from it since nova started; only ever rises
    std::uint64_t requests = 0;         // that were admitted to it; only ever rises
    std::optional<TimePoint> last_use;  // when the last of them began or ended
};

class TrafficPort {
public:
    virtual ~TrafficPort() = default;
    // Returns when every live worker acknowledged: from then on nobody admits by the older view.
    virtual Task<Result<Epoch>> publish(SlotView view) = 0;
    // Waits for the last lease of that upstream, until the deadline; returns how many are left.
    virtual Task<std::size_t> drained(UpstreamId upstream, Deadline deadline) = 0;
    // Ends what is left with the gateway's error event; returns when every worker has done so.
    virtual Task<void> cut(UpstreamId upstream) = 0;

    // A reading of counters; never waits. Zeros for an upstream that is not known.
    virtual TrafficActivity activity(const UpstreamId& upstream) const {
        static_cast<void>(upstream);
        return {};
    }
};

// ---- towards the engine that runs

struct ProbeTarget {
    Endpoint endpoint;
    std::string base_path;  // custom: path of its URL
    std::string auth_header_name;
    Secret auth_header_value;
    engine::ReadyProbe probe;
    engine::Protocol protocol = engine::Protocol::openai;
    bool external = false;  // decisions.md 2.18: 404/405 on models is alive with an unknown list
};

struct ProbeResult {
    enum class Verdict : std::uint8_t { ready, loading, refused, failed };
    Verdict verdict = Verdict::failed;
    bool answered = false;  // whatever it said
    std::string detail;     // for people: "HTTP 503: Loading model"
    std::optional<double> progress;
};

struct ServedModels {
    std::vector<std::string> ids;
    bool known = true;
};

class EngineClient {
public:
    virtual ~EngineClient() = default;
    virtual Task<ProbeResult> probe(ProbeTarget target, Deadline deadline) = 0;
    virtual Task<Result<ServedModels>> models(ProbeTarget target, Deadline deadline) = 0;
    // Engines with many models: makes the model answer (creates it from a file, loads it).
    // One-model engines: checks nothing, returns at once.
    virtual Task<Result<void>>
    load(ProbeTarget target, engine::ResolvedModel model, runtime::ProgressSink progress) = 0;

    // The engine's own counters of work, summed up; empty when it has none or does not tell.
    virtual Task<std::optional<std::uint64_t>> counters(ProbeTarget target, Deadline deadline) {
        static_cast<void>(target);
        static_cast<void>(deadline);
        co_return std::nullopt;
    }

    // A completion of one token: whether anything was answered in time, an error included.
    virtual Task<bool>
    canary(ProbeTarget target, std::string api_base, std::string model, Deadline deadline) {
        static_cast<void>(target);
        static_cast<void>(api_base);
        static_cast<void>(model);
        static_cast<void>(deadline);
        co_return true;
    }

    // Engines with many models: frees the memory of a model that is loaded; its weights stay.
    // One-model engines: does nothing.
    virtual Task<Result<void>> unload(ProbeTarget target, std::string model, Deadline deadline) {
        static_cast<void>(target);
        static_cast<void>(model);
        static_cast<void>(deadline);
        co_return Result<void>{};
    }
};

// ---- towards the weights

class Weights {
public:
    virtual ~Weights() = default;
    // Makes the model available to the engine; idempotent. Errors: not_found, unprocessable (form
    // the engine does not take), corrupt (cut short), exhausted (disk).
    virtual Task<Result<engine::ResolvedModel>>
    ensure(engine::BackendSpec spec, runtime::ProgressSink progress) = 0;
};

// ---- from wish to instance, given by app (registry, hardware and data directory inside)

struct Plan {
    runtime::InstanceSpec instance;
    ProbeTarget probe;  // endpoint filled in after the start
    engine::ModelsPerInstance models = engine::ModelsPerInstance::one;
    bool embeds = true;  // answers /v1/embeddings
    std::string api_base;
    std::chrono::seconds start_limit{120};
    std::chrono::seconds stall_limit{0};
    std::string api_key;
    std::vector<std::string> loading_progress;  // log fragments that show loading goes on
};

// clang-format off: it would not break this line
using Planner = std::function<Result<Plan>(
    const engine::BackendSpec&, const engine::ResolvedModel&,
    const runtime::InstanceIdentity&
)>;
// clang-format on

// The driver for a kind; nullptr when this machine has none.
using DriverTable = std::function<runtime::RuntimeDriver*(runtime::RuntimeKind)>;

}  // namespace nova::lifecycle

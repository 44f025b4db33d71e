// What the control API may ask of a slot: state a wish, look, cancel. The controller implements it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "engine/backend_spec.hpp"
#include "lifecycle/operation.hpp"
#include "runtime/instance_spec.hpp"
#include "store/state_store.hpp"

namespace nova::lifecycle {

// Fine phases (contract.md 4). word() is the state of the API: ready, starting, draining, error,
// stopped.
enum class Phase : std::uint8_t {
    recovering,
    stopped,
    pulling,
    starting,
    ready,
    draining,
    stopping,
    backing_off,
    failed,
    parked
};

std::string_view name(Phase phase);  // "backing_off"
std::string_view word(Phase phase);  // "error"

struct Wish {
    std::optional<engine::BackendSpec> spec;  // empty: stop
    std::string actor;
    std::optional<Strategy> strategy = {};  // empty: the setting's
};

struct Accepted {
    OperationId operation;
    Generation generation;
    bool already = false;  // the same is wanted and on its way or ready: nothing new was started
};

struct BackendStatus {
    SlotName slot{"local"};
    std::string backend = "none";  // engine word of what is wanted, or runs
    Phase phase = Phase::recovering;
    std::string model;         // wanted
    std::string active_model;  // served right now; empty when nothing is
    WallTime since{};
    std::optional<WallTime> retry_at;
    std::optional<OperationError> error;
    std::optional<LastFailure> last_failure;
    std::optional<OperationId> operation;  // running now
    std::optional<runtime::InstanceHandle> instance;
    std::optional<engine::BackendSpec> wanted;
    std::optional<engine::BackendSpec> last_good;
    std::string step;  // what is being done right now, for people
    Generation generation;
    std::uint32_t attempts = 0;
};

class BackendControl {
public:
    virtual ~BackendControl() = default;
    // The only way to change anything. Returns after the wish is committed (202 only after commit).
    // Errors: unprocessable, unavailable (store away).
    virtual Task<Result<Accepted>> set_desired(Wish wish) = 0;
    // Asks a running operation to end as cancelled. Errors: not_found, conflict (has ended).
    virtual Task<Result<void>> cancel(OperationId operation) = 0;
    virtual BackendStatus status() const = 0;
    // Log of the instance: the current run, or the previous when nothing runs. Redacted.
    virtual Task<Result<std::string>> log_tail(std::size_t lines) = 0;

    // A request came while the backend was parked (decisions.md 2.23). Control thread; cheap.
    virtual void wake() {}

    // A model was asked for that nobody knows: the list of what runs is asked for anew, and traffic
    // goes by it when this returns. Control thread; bounded by a few seconds.
    virtual Task<void> look_for_models() { co_return; }
};

// Live news for event streams; ids are the store's. Single-threaded (control thread).
struct FeedEvent {
    std::uint64_t id = 0;
    std::string type;
    std::string json;
    WallTime at{};
};

class EventFeed {
public:
    using Listener = std::function<void(const FeedEvent&)>;
    // The listener is called until unsubscribe(token).
    std::uint64_t subscribe(Listener listener);
    void unsubscribe(std::uint64_t token);
    void publish(const FeedEvent& event);

private:
    std::vector<std::pair<std::uint64_t, Listener>> listeners_;
    std::uint64_t next_token_ = 1;
};

// Stores an event, with what else belongs into the same commit, and then tells whoever listens:
// they hear the same as who reads it again. Error: the store's; nobody is told then.
Task<Result<void>> commit_and_tell(
    store::StateStore& store, EventFeed& feed, store::AppendEvent event,
    std::vector<store::Write> with = {}
);

}  // namespace nova::lifecycle

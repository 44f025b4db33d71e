// A helper beside the backend: an Ollama without a model that only fetches (decisions.md 2.10).
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/log.hpp"
#include "core/task_group.hpp"
#include "lifecycle/ports.hpp"

namespace nova::app {

// Control thread. Its slot is "prepare": the machine that keeps one backend per slot never sees it,
// and a later nova knows by that label that nobody wants it any more.
class PrepareInstance {
public:
    struct Parts {
        asio::any_io_executor executor;
        Clock& clock;
        Log& log;
        lifecycle::DriverTable drivers;
        std::vector<runtime::RuntimeKind> kinds;  // whose left-overs are looked for
        lifecycle::Planner planner;
        InstallId install;
        // Where an Ollama runs; empty function: as a native program.
        std::function<Task<std::string>(EngineName, std::string)> choose_runtime{};
    };

    explicit PrepareInstance(Parts parts);

    // Ends what an earlier nova left behind; enter() does so as well.
    Task<void> reap();

    // Keeps the helper alive; the last one that ends stops it.
    class Lease {
    public:
        explicit Lease(PrepareInstance& owner) : owner_{&owner} { ++owner.leases_; }

        Lease(Lease&& other) noexcept : owner_{std::exchange(other.owner_, nullptr)} {}

        Lease& operator=(Lease&&) = delete;

        ~Lease() {
            if (owner_ != nullptr) {
                owner_->release();
            }
        }

        const Endpoint& endpoint() const { return owner_->handle_->endpoint; }

    private:
        PrepareInstance* owner_;
    };

    // Starts it unless it runs, and waits for its first answer. Errors: the driver's and planner's;
    // timeout, runtime_failed: with what its log says.
    Task<Result<Lease>> enter();

    // Ends it; nobody may enter afterwards.
    Task<void> leave();

private:
    Task<Result<void>> start();
    Task<bool> reap_of(runtime::RuntimeDriver& driver);
    Task<Result<void>> wait_until_it_answers();

    runtime::RuntimeDriver& driver() const { return *parts_.drivers(handle_->runtime); }

    Task<void> end();
    void release();
    Task<void> take_turn();

    Parts parts_;
    std::optional<runtime::InstanceHandle> handle_;
    std::size_t leases_ = 0;
    std::uint64_t starts_ = 0;
    bool busy_ = false;
    bool reaped_ = false;
    TaskGroup tasks_;  // never cancelled: what it does has limits of its own
};

}  // namespace nova::app

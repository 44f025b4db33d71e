// Goes on with an engine that somebody started by deploy/compose, while nothing else is wanted.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/strong.hpp"
#include "core/task.hpp"
#include "lifecycle/backend_control.hpp"
#include "lifecycle/ports.hpp"
#include "runtime/docker_by_hand.hpp"

namespace nova::app {

// Control thread only. All references must outlive it.
class ComposeWatch {
public:
    struct Parts {
        Clock& clock;
        Log& log;
        lifecycle::BackendControl& backend;
        std::function<bool()> may_start;  // not under cloud-only
        std::function<Task<Result<std::vector<runtime::ServiceByHand>>>()> look;
        // What an engine of many models has loaded, else what it got last; "" when it has none.
        std::function<Task<std::string>(Endpoint)> model_at;
        std::chrono::nanoseconds interval{std::chrono::seconds{5}};
    };

    explicit ComposeWatch(Parts parts) : parts_{std::move(parts)} {}

    // Looks for ever, until it is cancelled.
    Task<void> run();

    // One look; the test's way in.
    Task<void> look_once();

    // The service that is being gone on with, while that operation lasts: it has its weights.
    std::optional<Endpoint> offered() const;

private:
    bool nothing_wanted() const;
    Task<void> go_on_with(runtime::ServiceByHand service);
    void tell(const runtime::ServiceByHand& service, std::string why, std::string remedy);
    void refuse(const runtime::ServiceByHand& service, std::string why, std::string remedy);

    Parts parts_;
    std::set<std::string> told_;     // container ids and sentences: each is said once
    std::set<std::string> refused_;  // ids of containers that cannot be gone on with
    std::optional<Endpoint> offered_;
};

// For Parts::model_at: Ollama's own lists, in five seconds.
std::function<Task<std::string>(Endpoint)>
make_ollama_look(lifecycle::EngineClient& client, Clock& clock);

}  // namespace nova::app

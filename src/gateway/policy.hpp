// What app tells the gateway at start, and what the gateway asks of the rest of nova.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/strong.hpp"
#include "net/body_budget.hpp"

namespace nova::gateway {

struct GatewayPolicy {
    std::size_t body_bytes = 32U * 1024U * 1024U;
    // Of all request bodies held at a time (trap 20); copies of a policy share it.
    std::shared_ptr<net::BodyBudget> body_budget =
        std::make_shared<net::BodyBudget>(std::size_t{1} << 30U);
    std::chrono::seconds dial_timeout{5};
    // A long prefill is no failure (reference/gateway.md, trap 41): only a limit against hanging
    // for ever.
    std::chrono::seconds head_timeout{1800};
    std::chrono::seconds stall_timeout{300};  // without the client taking a byte
    std::chrono::seconds idle_timeout{300};   // between two pieces of an answer
    // Until the first content of an answer, its head included; and for all of a request, 0: no end.
    std::chrono::milliseconds first_content_timeout{std::chrono::minutes{30}};
    std::chrono::milliseconds total_timeout{0};
    // ": ping" to the client of an event stream while its provider is silent; 0: never.
    std::chrono::milliseconds heartbeat{0};
    // So long comments and pings of a provider are held back for the sake of a fallback; then they
    // reach the client, which else would think that nobody is there.
    std::chrono::milliseconds keep_alive_hold{20'000};
    // An unfinished event held back so that an error event can follow; bounds memory per stream.
    std::size_t held_event_bytes = 16U * 1024U;
    // Time a client has to take the rest and the error event of an answer that is cut.
    std::chrono::milliseconds cut_grace{2000};
    // Waiting for a model that is on its way (contract.md 6): without a `Prefer: wait`, at most
    // with one, and how many requests of the whole gateway may.
    std::chrono::milliseconds loading_wait{0};
    std::chrono::milliseconds loading_wait_most{std::chrono::minutes{10}};
    std::size_t waiting_places = 64;
    // A request for a model nobody knows waits that long, with so many others of the whole gateway,
    // for lists that are asked for anew.
    std::chrono::milliseconds look_wait{3000};
    std::size_t look_places = 32;
};

// Written by one worker, read by whoever asks for figures.
struct alignas(64) WorkerCounters {
    std::atomic<std::int64_t> inflight{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> client_left{0};
    std::atomic<std::uint64_t> upstream_failed{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::int64_t> active_relays{0};
    std::atomic<std::int64_t> idle_upstreams{0};
    std::atomic<std::int64_t> waiting{0};  // for their model to be loaded
    std::atomic<std::int64_t> looking{0};  // for lists that may have their model
};

using AllCounters = std::vector<WorkerCounters>;

// Whose lists may be asked for.
enum class Reach : std::uint8_t { here, everywhere };

// Upward news; called on worker threads, so implementations post.
class GatewayEvents {
public:
    virtual ~GatewayEvents() = default;
    // The upstream refused a connection: it is not available, whatever was believed (trap 44).
    virtual void connect_refused(const UpstreamId& upstream) = 0;

    // Somebody asks for a model of a slot that is parked. At most once per table and worker.
    virtual void wake(const SlotName& slot) { static_cast<void>(slot); }

    // Somebody asks for a model nobody knows. False: nobody looks; else a table whose `looks` has
    // risen comes when the lists have been asked for, and others may come before. At most once in
    // two seconds per worker.
    virtual bool missed(Reach reach) {
        static_cast<void>(reach);
        return false;
    }
};

}  // namespace nova::gateway

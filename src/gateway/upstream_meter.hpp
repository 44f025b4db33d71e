// Evidence that an upstream works (decisions.md 2.24): counted where it happens, read by control.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/clock.hpp"

namespace nova::gateway {

// Written by one worker only, hence no read-modify-write; a cache line of its own.
struct alignas(64) UpstreamMeter {
    std::atomic<std::int64_t> leases{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<TimePoint::rep> last_use{0};  // 0: never

    void add_bytes(std::uint64_t count) {
        bytes.store(bytes.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
};

// One per worker, made by whoever publishes the upstream.
using UpstreamMeters = std::vector<UpstreamMeter>;

// A request that is on an upstream, for as long as it lives. meter may be null.
class UpstreamUse {
public:
    UpstreamUse(UpstreamMeter* meter, const Clock& clock) : meter_{meter}, clock_{clock} {
        if (meter_ != nullptr) {
            meter_->requests.store(
                meter_->requests.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed
            );
            change(1);
        }
    }

    UpstreamUse(const UpstreamUse&) = delete;
    UpstreamUse& operator=(const UpstreamUse&) = delete;

    ~UpstreamUse() {
        if (meter_ != nullptr) {
            change(-1);
        }
    }

private:
    void change(std::int64_t by) {
        meter_->last_use.store(clock_.now().time_since_epoch().count(), std::memory_order_relaxed);
        meter_->leases.store(
            meter_->leases.load(std::memory_order_relaxed) + by, std::memory_order_relaxed
        );
    }

    UpstreamMeter* meter_;
    const Clock& clock_;
};

}  // namespace nova::gateway

// What one key has used of its limits: shared by all workers, exact, without a lock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "core/clock.hpp"
#include "gateway/rate_fields.hpp"

namespace nova::gateway {

// 0: no limit.
struct KeyLimits {
    std::uint64_t requests_per_minute = 0;
    std::uint64_t tokens_per_minute = 0;
    std::uint32_t concurrent = 0;

    bool operator==(const KeyLimits&) const = default;
};

// A bucket that holds a minute's worth and fills evenly. Kept as the one moment at which it is full
// again ("theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371), so that one
// compare-and-swap decides: two workers never both take the last one.
class MinuteBucket {
public:
    // 0: unlimited.
    explicit MinuteBucket(std::uint64_t per_minute);

    bool limited() const { return per_minute_ != 0; }

    // Takes one when there is one; else how long until there is.
    std::optional<std::chrono::nanoseconds> take(TimePoint now);
    // How long until there is one, taking none; empty: there is.
    std::optional<std::chrono::nanoseconds> wait(TimePoint now) const;
    // Takes what was used already, there or not.
    void overdraw(TimePoint now, std::uint64_t count);
    Rate state(TimePoint now) const;

private:
    std::uint64_t per_minute_;
    std::int64_t each_ = 0;              // nanoseconds one takes to come back
    std::atomic<std::int64_t> full_{0};  // when it is full again, on the monotonic clock
};

// Any thread.
class KeyMeter {
public:
    explicit KeyMeter(const KeyLimits& limits);

    enum class Limit : std::uint8_t { requests, tokens, concurrent };

    struct Refusal {
        Limit limit = Limit::requests;
        std::chrono::nanoseconds wait{0};
    };

    // Counts a request and its place among those that run; empty: it may. A refusal counts nothing.
    std::optional<Refusal> enter(TimePoint now);
    void leave();
    void spend(TimePoint now, std::uint64_t tokens);

    RateState rates(TimePoint now) const;

    std::uint32_t running() const { return running_.load(std::memory_order_relaxed); }

    const KeyLimits& limits() const { return limits_; }

private:
    KeyLimits limits_;
    MinuteBucket requests_;
    MinuteBucket tokens_;
    std::atomic<std::uint32_t> running_{0};
};

}  // namespace nova::gateway

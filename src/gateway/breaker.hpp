// Keeps requests away from a provider that fails: closed, open for a while, then one probe.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "gateway/attempts.hpp"

namespace nova::gateway {

// One per provider, shared by all workers.
class Breaker {
public:
    // Failures in a row that open it.
    static constexpr std::uint32_t kFailures = 3;
    // A refused key does not heal by itself; looked at again in case a person has acted.
    static constexpr std::chrono::seconds kSideline{300};

    enum class Why : std::uint8_t { failures, limited, credentials };

    // Leave to ask the provider. Whoever ends without a verdict says nothing about it: a probe is
    // then free for the next (trap 46).
    class Permit {
    public:
        Permit(Permit&& other) noexcept;
        Permit& operator=(Permit&&) = delete;
        Permit(const Permit&) = delete;
        Permit& operator=(const Permit&) = delete;
        ~Permit();

        bool is_probe() const { return probe_; }

        // What has been seen of the provider: when its answer begins, and again when it ends badly.
        // A probe ends with the first. retry_after: what it asked for, at most kLongestRetryAfter.
        void
        ended(Health health, TimePoint now, std::optional<std::chrono::seconds> retry_after = {});

    private:
        friend class Breaker;

        Permit(Breaker* breaker, bool probe) : breaker_{breaker}, probe_{probe} {}

        void end_probe();

        Breaker* breaker_;
        bool probe_;
    };

    Breaker() = default;
    Breaker(const Breaker&) = delete;
    Breaker& operator=(const Breaker&) = delete;

    // Empty while it is open, or half open with its probe under way.
    std::optional<Permit> try_enter(TimePoint now);

    // For whoever is kept away: why, and for how long.
    bool open(TimePoint now) const;
    std::chrono::seconds left(TimePoint now) const;  // at least 1

    Why why() const { return why_.load(std::memory_order_relaxed); }

    // For people and metrics: closed, half_open (its time is up, and the next request decides), or
    // why it is open, as word() has it.
    std::string_view state(TimePoint now) const;

    // Somebody changed the provider's settings: its past says nothing.
    void forget();

    // Permits that have not ended; 0 when nobody is asking (for tests).
    std::int64_t under_way() const { return under_way_.load(std::memory_order_relaxed); }

private:
    void
    note(Health health, bool probe, TimePoint now, std::optional<std::chrono::seconds> retry_after);
    void open_for(std::chrono::seconds time, TimePoint now, Why why);
    void close();

    std::atomic<TimePoint::rep> open_until_{0};  // 0: closed
    std::atomic<std::uint32_t> failures_{0};     // in a row, while closed
    std::atomic<std::uint32_t> openings_{0};     // in a row
    std::atomic<bool> probing_{false};
    std::atomic<Why> why_{Why::failures};
    std::atomic<std::int64_t> under_way_{0};
};

// The breakers of all providers, by upstream id; they live as long as the board.
class BreakerBoard {
public:
    Breaker& of(std::string_view upstream_id);
    // Somebody changed the provider.
    void forget(std::string_view upstream_id);

private:
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Breaker>, std::less<>> breakers_;
};

// Every state there is.
inline constexpr std::array<std::string_view, 5> kBreakerStates{
    "closed", "half_open", "circuit_open", "rate_limited", "credentials"
};

// X-Nova-Route's word for it: circuit_open, rate_limited, credentials.
std::string_view word(Breaker::Why why);

}  // namespace nova::gateway

// Arithmetic of the buckets.
#include "gateway/key_meter.hpp"

#include <algorithm>

#include "core/result.hpp"

namespace nova::gateway {
namespace {

using std::chrono::nanoseconds;

constexpr std::int64_t kMinute = nanoseconds{std::chrono::minutes{1}}.count();
// A day of debt: what an absurd count of tokens may at most cost.
constexpr std::int64_t kMostDebt = 24 * 60 * kMinute;
// Somebody else's request has to end first; nobody knows when.
constexpr nanoseconds kConcurrentWait = std::chrono::seconds{1};

std::int64_t number(TimePoint time) {
    return nanoseconds{time.time_since_epoch()}.count();
}

}  // namespace

MinuteBucket::MinuteBucket(std::uint64_t per_minute) : per_minute_{per_minute} {
    if (per_minute_ != 0) {
        each_ = std::max<std::int64_t>(
            1, kMinute / static_cast<std::int64_t>(
                             std::min(per_minute_, static_cast<std::uint64_t>(kMinute))
                         )
        );
    }
}

std::optional<nanoseconds> MinuteBucket::take(TimePoint now) {
    if (!limited()) {
        return std::nullopt;
    }
    const std::int64_t at = number(now);
    std::int64_t full = full_.load(std::memory_order_relaxed);
    while (true) {
        const std::int64_t next = std::max(full, at) + each_;
        if (next - at > kMinute) {
            return nanoseconds{next - at - kMinute};
        }
        if (full_.compare_exchange_weak(full, next, std::memory_order_relaxed)) {
            return std::nullopt;
        }
    }
}

std::optional<nanoseconds> MinuteBucket::wait(TimePoint now) const {
    if (!limited()) {
        return std::nullopt;
    }
    const std::int64_t at = number(now);
    const std::int64_t next = std::max(full_.load(std::memory_order_relaxed), at) + each_;
    return next - at > kMinute ? std::optional{nanoseconds{next - at - kMinute}} : std::nullopt;
}

void MinuteBucket::overdraw(TimePoint now, std::uint64_t count) {
    if (!limited() || count == 0) {
        return;
    }
    const auto most = static_cast<std::uint64_t>(kMostDebt / each_);
    const std::int64_t cost = static_cast<std::int64_t>(std::min(count, most)) * each_;
    const std::int64_t at = number(now);
    std::int64_t full = full_.load(std::memory_order_relaxed);
    std::int64_t next = 0;
    do {
        next = std::min(std::max(full, at) + cost, at + kMostDebt);
    } while (!full_.compare_exchange_weak(full, next, std::memory_order_relaxed));
}

Rate MinuteBucket::state(TimePoint now) const {
    const std::int64_t at = number(now);
    const std::int64_t used = std::max<std::int64_t>(0, full_.load(std::memory_order_relaxed) - at);
    const std::int64_t left = std::max<std::int64_t>(0, kMinute - used);
    return {
        .limit = per_minute_,
        .remaining =
            limited() ? std::min(per_minute_, static_cast<std::uint64_t>(left / each_)) : 0,
        .reset = nanoseconds{used},
    };
}

KeyMeter::KeyMeter(const KeyLimits& limits)
    : limits_{limits}, requests_{limits.requests_per_minute}, tokens_{limits.tokens_per_minute} {}

std::optional<KeyMeter::Refusal> KeyMeter::enter(TimePoint now) {
    if (const auto wait = tokens_.wait(now)) {
        return Refusal{.limit = Limit::tokens, .wait = *wait};
    }
    std::uint32_t running = running_.load(std::memory_order_relaxed);
    do {
        if (limits_.concurrent != 0 && running >= limits_.concurrent) {
            return Refusal{.limit = Limit::concurrent, .wait = kConcurrentWait};
        }
    } while (!running_.compare_exchange_weak(running, running + 1, std::memory_order_relaxed));
    if (const auto wait = requests_.take(now)) {
        leave();
        return Refusal{.limit = Limit::requests, .wait = *wait};
    }
    return std::nullopt;
}

void KeyMeter::leave() {
    const std::uint32_t before = running_.fetch_sub(1, std::memory_order_relaxed);
    NOVA_CHECK(before > 0);
}

void KeyMeter::spend(TimePoint now, std::uint64_t tokens) {
    tokens_.overdraw(now, tokens);
}

RateState KeyMeter::rates(TimePoint now) const {
    RateState state;
    if (requests_.limited()) {
        state.requests = requests_.state(now);
    }
    if (tokens_.limited()) {
        state.tokens = tokens_.state(now);
    }
    return state;
}

}  // namespace nova::gateway

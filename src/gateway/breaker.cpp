// Transitions of the breaker. Relaxed atomics: a request more or less in a race does no harm, and
// the one thing that must hold, a single probe, hangs on one exchange.
#include "gateway/breaker.hpp"

#include <algorithm>
#include <utility>

#include "core/backoff.hpp"

namespace nova::gateway {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

Breaker::Permit::Permit(Permit&& other) noexcept
    : breaker_{std::exchange(other.breaker_, nullptr)}, probe_{other.probe_} {}

Breaker::Permit::~Permit() {
    if (breaker_ != nullptr) {
        end_probe();
        breaker_->under_way_.fetch_sub(1, kRelaxed);
    }
}

void Breaker::Permit::end_probe() {
    if (std::exchange(probe_, false)) {
        breaker_->probing_.store(false, std::memory_order_release);
    }
}

void Breaker::Permit::ended(
    Health health, TimePoint now, std::optional<std::chrono::seconds> retry_after
) {
    breaker_->note(health, probe_, now, retry_after);
    end_probe();  // behind what it has decided: the next may come
}

void Breaker::note(
    Health health, bool probe, TimePoint now, std::optional<std::chrono::seconds> retry_after
) {
    switch (health) {
    case Health::unknown:
        return;
    case Health::good:
        // One that began before the provider failed closes nothing.
        if (probe || open_until_.load(kRelaxed) == 0) {
            close();
        }
        return;
    case Health::credentials:
        open_for(kSideline, now, Why::credentials);
        return;
    case Health::limited:
    case Health::bad:
        break;
    }
    const Why why = health == Health::limited ? Why::limited : Why::failures;
    if (retry_after && *retry_after > std::chrono::seconds::zero()) {
        open_for(*retry_after, now, why);
        return;
    }
    if (probe || failures_.fetch_add(1, kRelaxed) + 1 >= kFailures) {
        // 30, 60, 120 s (decisions.md 1.6: the first failure of all costs nothing).
        const std::uint32_t openings = openings_.fetch_add(1, kRelaxed) + 1;
        open_for(backoff_delay(openings + 1), now, why);
    }
}

std::optional<Breaker::Permit> Breaker::try_enter(TimePoint now) {
    if (open_until_.load(kRelaxed) == 0) {
        under_way_.fetch_add(1, kRelaxed);
        return Permit{this, false};
    }
    if (open(now) || probing_.exchange(true, std::memory_order_acquire)) {
        return std::nullopt;
    }
    // The last probe may have failed between the two looks.
    if (open(now)) {
        probing_.store(false, std::memory_order_release);
        return std::nullopt;
    }
    under_way_.fetch_add(1, kRelaxed);
    return Permit{this, true};
}

bool Breaker::open(TimePoint now) const {
    const TimePoint::rep until = open_until_.load(kRelaxed);
    return until != 0 && now.time_since_epoch().count() < until;
}

std::chrono::seconds Breaker::left(TimePoint now) const {
    const TimePoint until{TimePoint::duration{open_until_.load(kRelaxed)}};
    return std::max(std::chrono::seconds{1}, std::chrono::ceil<std::chrono::seconds>(until - now));
}

std::string_view Breaker::state(TimePoint now) const {
    if (open_until_.load(kRelaxed) == 0) {
        return kBreakerStates[0];
    }
    return open(now) ? word(why()) : kBreakerStates[1];
}

void Breaker::forget() {
    close();
}

void Breaker::open_for(std::chrono::seconds time, TimePoint now, Why why) {
    why_.store(why, kRelaxed);
    open_until_.store((now + time).time_since_epoch().count(), kRelaxed);
}

void Breaker::close() {
    failures_.store(0, kRelaxed);
    openings_.store(0, kRelaxed);
    open_until_.store(0, kRelaxed);
}

Breaker& BreakerBoard::of(std::string_view upstream_id) {
    const std::lock_guard lock{mutex_};
    const auto found = breakers_.find(upstream_id);
    if (found != breakers_.end()) {
        return *found->second;
    }
    return *breakers_.emplace(std::string{upstream_id}, std::make_unique<Breaker>()).first->second;
}

void BreakerBoard::forget(std::string_view upstream_id) {
    const std::lock_guard lock{mutex_};
    const auto found = breakers_.find(upstream_id);
    if (found != breakers_.end()) {
        found->second->forget();
    }
}

std::string_view word(Breaker::Why why) {
    switch (why) {
    case Breaker::Why::failures:
        return "circuit_open";
    case Breaker::Why::limited:
        return "rate_limited";
    case Breaker::Why::credentials:
        return "credentials";
    }
    return "circuit_open";
}

}  // namespace nova::gateway

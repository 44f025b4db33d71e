// System time through Asio timers, virtual time through timers at infinity that a jump cancels.
#include "core/clock.hpp"

#include <algorithm>
#include <ctime>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace nova {

Task<void> Clock::sleep_for(std::chrono::nanoseconds duration) {
    co_await sleep_until(now() + std::chrono::duration_cast<TimePoint::duration>(duration));
}

TimePoint SystemClock::now() const {
    return std::chrono::steady_clock::now();
}

WallTime SystemClock::wall_now() const {
    return std::chrono::system_clock::now();
}

Task<void> SystemClock::sleep_until(TimePoint time) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer{executor, time};
    co_await timer.async_wait(asio::use_awaitable);
}

struct VirtualClock::Sleeper {
    TimePoint due;
    asio::steady_timer timer;
    bool woken = false;
};

// Starts at an arbitrary but fixed instant, so that a seed prints the same times on every run.
VirtualClock::VirtualClock()
    : now_{std::chrono::hours{1}}, wall_origin_{std::chrono::seconds{1'750'000'000}} {}

VirtualClock::~VirtualClock() = default;

WallTime VirtualClock::wall_now() const {
    return wall_origin_ +
           std::chrono::duration_cast<WallTime::duration>(now_ - TimePoint{std::chrono::hours{1}});
}

Task<void> VirtualClock::sleep_until(TimePoint time) {
    if (time <= now_) {
        co_return;
    }
    const auto executor = co_await asio::this_coro::executor;
    Sleeper sleeper{time, asio::steady_timer{executor, TimePoint::max()}};
    const auto place = sleepers_.insert(sleepers_.end(), &sleeper);
    boost::system::error_code code;
    co_await sleeper.timer.async_wait(asio::redirect_error(asio::use_awaitable, code));
    if (!sleeper.woken) {
        sleepers_.erase(place);
        throw boost::system::system_error{asio::error::operation_aborted};
    }
}

TimePoint VirtualClock::next_wake() const {
    TimePoint next = TimePoint::max();
    for (const Sleeper* sleeper : sleepers_) {
        next = std::min(next, sleeper->due);
    }
    return next;
}

bool VirtualClock::jump_to_next() {
    const TimePoint next = next_wake();
    if (next == TimePoint::max()) {
        return false;
    }
    now_ = std::max(now_, next);
    wake_due();
    return true;
}

void VirtualClock::advance(std::chrono::nanoseconds by) {
    now_ += std::chrono::duration_cast<TimePoint::duration>(by);
    wake_due();
}

void VirtualClock::wake_due() {
    // Earliest first, ties in the order of going to sleep: the same seed gives the same run.
    sleepers_.sort([](const Sleeper* a, const Sleeper* b) { return a->due < b->due; });
    while (!sleepers_.empty() && sleepers_.front()->due <= now_) {
        Sleeper* sleeper = sleepers_.front();
        sleepers_.pop_front();
        sleeper->woken = true;
        sleeper->timer.cancel();
    }
}

std::string rfc3339(WallTime time) {
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
    const std::time_t seconds = static_cast<std::time_t>(since_epoch.count() / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
        parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, since_epoch.count() % 1000
    );
}

}  // namespace nova

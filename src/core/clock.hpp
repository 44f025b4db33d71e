// Time as a dependency: real in production, jumped by hand in simulation.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <string>

#include "core/task.hpp"

namespace nova {

using TimePoint = std::chrono::steady_clock::time_point;  // for intervals
using WallTime = std::chrono::system_clock::time_point;   // for people and records
using Milliseconds = std::chrono::milliseconds;

class Clock {
public:
    virtual ~Clock() = default;
    virtual TimePoint now() const = 0;
    virtual WallTime wall_now() const = 0;
    // Returns at or after the time; throws operation_aborted when the coroutine is cancelled.
    virtual Task<void> sleep_until(TimePoint time) = 0;

    Task<void> sleep_for(std::chrono::nanoseconds duration);
};

class SystemClock final : public Clock {
public:
    TimePoint now() const override;
    WallTime wall_now() const override;
    Task<void> sleep_until(TimePoint time) override;
};

// Stands still until told otherwise. Single-threaded: used with one io_context that is polled until
// idle, then jump_to_next() wakes the earliest sleeper.
class VirtualClock final : public Clock {
public:
    VirtualClock();
    ~VirtualClock() override;

    TimePoint now() const override { return now_; }

    WallTime wall_now() const override;
    Task<void> sleep_until(TimePoint time) override;

    // Moves time to the earliest sleeper and wakes all that are due; false when nobody sleeps.
    bool jump_to_next();
    // Moves time by this much, waking everybody due on the way, in order.
    void advance(std::chrono::nanoseconds by);
    // When the earliest sleeper is due; TimePoint::max() when nobody sleeps.
    TimePoint next_wake() const;

private:
    struct Sleeper;
    void wake_due();

    TimePoint now_;
    WallTime wall_origin_;
    std::list<Sleeper*> sleepers_;
};

// RFC 3339 in UTC with milliseconds: "2026-11-22T19:00:00.123Z".
std::string rfc3339(WallTime time);

}  // namespace nova

// A point in time by which something has to be done, handed down instead of a duration.
#pragma once

#include <algorithm>
#include <chrono>

#include "core/clock.hpp"

namespace nova {

struct Deadline {
    TimePoint at = TimePoint::max();

    static Deadline in(const Clock& clock, std::chrono::nanoseconds duration) {
        return {clock.now() + std::chrono::duration_cast<TimePoint::duration>(duration)};
    }

    static Deadline never() { return {}; }

    bool passed(const Clock& clock) const { return clock.now() >= at; }

    // Time left, never negative.
    std::chrono::nanoseconds left(const Clock& clock) const {
        return std::max<std::chrono::nanoseconds>(
            std::chrono::nanoseconds::zero(), at - clock.now()
        );
    }

    friend Deadline earlier(Deadline a, Deadline b) { return {std::min(a.at, b.at)}; }
};

}  // namespace nova

// Bytes per second of the last moments: what was there before, or long ago, does not count.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "core/clock.hpp"

namespace nova::lifecycle {

class RateWindow {
public:
    // A figure that falls, or another phase, begins anew.
    void add(const std::string& phase, TimePoint now, std::uint64_t done) {
        if (phase != phase_ || (!points_.empty() && done < points_.back().done)) {
            points_.clear();
            phase_ = phase;
        }
        if (points_.empty() || done > points_.back().done ||
            now - points_.back().at >= std::chrono::seconds{1}) {
            points_.push_back({now, done});
        }
        while (points_.size() > 2 && now - points_[1].at >= kSpan) {
            points_.pop_front();
        }
    }

    // Empty until a second has passed, and while nothing moves: then nobody can say when it ends.
    std::optional<double> per_second() const {
        if (points_.size() < 2) {
            return std::nullopt;
        }
        const std::chrono::duration<double> spent = points_.back().at - points_.front().at;
        const std::uint64_t moved = points_.back().done - points_.front().done;
        if (spent.count() < 1.0 || moved == 0) {
            return std::nullopt;
        }
        return static_cast<double>(moved) / spent.count();
    }

private:
    struct Point {
        TimePoint at;
        std::uint64_t done;
    };

    static constexpr std::chrono::seconds kSpan{10};

    std::string phase_;
    std::deque<Point> points_;
};

}  // namespace nova::lifecycle

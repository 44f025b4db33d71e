// When a load will be done, from how fast it has been going; nothing when that is not known.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"

namespace nova::app {

struct ProgressSample {
    TimePoint at;
    double progress = 0;  // 0..1
};

// Seconds left, by the rate between the first sample and now: time without progress counts, so
// that a load that slows down is not promised what it did before. Empty before there is a rate:
// nothing moved, or not for half a second. Pure.
std::optional<double> eta_from(std::span<const ProgressSample> samples, TimePoint now);

// Remembers the samples of one phase of one slot's load.
class LoadingEta {
public:
    std::optional<double>
    note(std::string_view phase, std::optional<double> progress, TimePoint now);

private:
    std::string phase_;
    std::vector<ProgressSample> samples_;  // the newest last
};

}  // namespace nova::app

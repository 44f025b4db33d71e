// A straight line through the oldest remembered sample and the newest.
#include "app/loading_eta.hpp"

#include <algorithm>

namespace nova::app {
namespace {

using std::chrono_literals::operator""ms;
using Seconds = std::chrono::duration<double>;

constexpr auto kShortestMeasure = 500ms;
// At one publication a second: the rate of the last half minute.
constexpr std::size_t kSamples = 30;

}  // namespace

std::optional<double> eta_from(std::span<const ProgressSample> samples, TimePoint now) {
    if (samples.size() < 2 || now - samples.front().at < kShortestMeasure) {
        return std::nullopt;
    }
    const double done = samples.back().progress - samples.front().progress;
    if (done <= 0) {
        return std::nullopt;
    }
    const double left = std::max(0.0, 1.0 - samples.back().progress);
    return left / done * Seconds{now - samples.front().at}.count();
}

std::optional<double>
LoadingEta::note(std::string_view phase, std::optional<double> progress, TimePoint now) {
    if (phase != phase_ || !progress ||
        (!samples_.empty() && *progress < samples_.back().progress)) {
        samples_.clear();
        phase_ = phase;
    }
    if (progress) {
        samples_.push_back({.at = now, .progress = *progress});
        if (samples_.size() > kSamples) {
            samples_.erase(samples_.begin());
        }
    }
    return eta_from(samples_, now);
}

}  // namespace nova::app

// What clients of the gateway are told of a load while it goes on.
#include <algorithm>

#include "lifecycle/backend_controller.hpp"

namespace nova::lifecycle {
namespace {

// A publication reaches every worker; people and clients look no more often.
constexpr std::chrono::seconds kReportInterval{1};

}  // namespace

void BackendController::note_loading(double progress) {
    const double bounded = std::clamp(progress, 0.0, 1.0);
    loading_ = LoadingView{.phase = {}, .progress = bounded, .eta_s = {}};
    const TimePoint now = ports_.clock.now();
    if (now >= next_loading_report_) {
        next_loading_report_ = now + kReportInterval;
        tasks_.spawn("refresh view", refresh_view());
    }
}

}  // namespace nova::lifecycle

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

// What opens and closes traffic is published by the machine, which tries again; here it is what the
// gateway says meanwhile, and whether it wakes what is parked. One that tries is enough: each of
// them publishes what is true then.
Task<void> BackendController::refresh_view() {
    if (co_await push_view() || view_behind_) {
        co_return;
    }
    view_behind_ = true;
    do {
        co_await ports_.clock.sleep_for(kReportInterval);
    } while (!co_await push_view());
    view_behind_ = false;
}

}  // namespace nova::lifecycle

// A download writes an event each second: without an end the file would grow for ever.
#include "app/history.hpp"

namespace nova::app {
namespace {

constexpr std::chrono::hours kKept{24};
constexpr std::chrono::hours kInterval{1};

}  // namespace

Task<void> forget_history(store::StateStore& store, Clock& clock, Log& log) {
    for (;;) {
        const auto gone = co_await store.prune(clock.wall_now() - kKept);
        if (!gone) {
            log.warn("history.prune", {{"error", gone.error().message}});
        }
        co_await clock.sleep_for(kInterval);
    }
}

}  // namespace nova::app

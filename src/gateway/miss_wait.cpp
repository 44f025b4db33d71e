// One look at a time, which all who miss a model wait for.
#include "gateway/miss_wait.hpp"

#include "gateway/gatekeeper.hpp"

namespace nova::gateway {
namespace {

// Somebody who asks for a name that does not exist once a second costs an engine one list in this
// time, not one each.
constexpr std::chrono::seconds kPause{2};

// Whether there is a look to wait for: the one under way, or one that begins now.
bool is_looked_for(WorkerState& worker, const Access* access) {
    MissedModels& missed = worker.missed;
    const TimePoint now = worker.clock.now();
    if (missed.looking) {
        return true;
    }
    if (missed.next_at > now) {
        return false;
    }
    const bool here = access != nullptr && access->never_cloud;
    if (!worker.events.missed(here ? Reach::here : Reach::everywhere)) {
        return false;
    }
    missed.looking = true;
    missed.next_at = now + kPause;
    return true;
}

struct Watch {
    net::Exchange& exchange;

    Watch(net::Exchange& watched, WaitingRoom::Seat& seat) : exchange{watched} {
        exchange.watch_client([&seat] { seat.client_left(); });
    }

    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    ~Watch() { exchange.unwatch_client(); }
};

}  // namespace

bool is_unknown(const RoutePlan& plan) {
    return plan.refusal && plan.refusal->code == ErrorCode::not_found;
}

Task<WaitEnd> look_once_more(
    net::Exchange& exchange, WorkerState& worker, const Access* access,
    const std::function<bool()>& found
) {
    const std::uint64_t before = worker.table->looks;
    if (!is_looked_for(worker, access)) {
        co_return WaitEnd::look_at_plan;
    }
    const auto seat = worker.missed.room.enter(Deadline::in(worker.clock, worker.policy.look_wait));
    if (!seat) {
        co_return WaitEnd::look_at_plan;
    }
    const Watch watch{exchange, *seat};
    for (;;) {
        switch (co_await seat->news()) {
        case WaitingRoom::News::client_left:
            co_return WaitEnd::client_left;
        case WaitingRoom::News::closed:
            co_return WaitEnd::look_at_plan;
        case WaitingRoom::News::deadline:
            // Whoever looks may have been lost: the next miss asks again.
            worker.missed.looking = false;
            co_return WaitEnd::look_at_plan;
        case WaitingRoom::News::new_table:
            break;
        }
        if (found() || worker.table->looks != before) {
            co_return WaitEnd::look_at_plan;
        }
    }
}

}  // namespace nova::gateway

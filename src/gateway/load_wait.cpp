// Waking and waiting.
#include "gateway/load_wait.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway/prefer.hpp"

namespace nova::gateway {
namespace {

constexpr std::chrono::seconds kRetryElsewhen{10};

void refuse_more(WorkerState& worker, RoutePlan& plan) {
    plan.refusal->word = "loading_queue_full";
    plan.refusal->message += fmt::format(
        " {} requests wait for a model already, which is the most that may.",
        worker.policy.waiting_places
    );
}

// Known when it was asked for, and now it does not come: that is no 404, whoever is served instead.
void settle_refusal(RoutePlan& plan) {
    if (plan.refusal && plan.refusal->code == ErrorCode::not_found) {
        plan.refusal->code = ErrorCode::unavailable;
        plan.refusal->word = "model_not_ready";
        plan.refusal->message = "The model did not become ready. " + plan.refusal->message;
        plan.refusal->retry_after = kRetryElsewhen;
    }
}

void leave_without(RoutePlan& plan) {
    plan.loading.reset();
    plan.refusal = Error{
        .code = ErrorCode::unavailable,
        .message = "nova is stopping.",
        .word = "shutting_down",
        .retry_after = kRetryElsewhen,
    };
}

}  // namespace

Patience patience_of(const net::Headers& headers, const GatewayPolicy& policy) {
    if (const auto wait = preferred_wait(headers)) {
        const std::chrono::milliseconds bounded =
            std::min<std::chrono::milliseconds>(*wait, policy.loading_wait_most);
        return {.time = bounded, .preferred = true};
    }
    return {.time = policy.loading_wait};
}

Task<WaitEnd> wait_for_model(
    net::Exchange& exchange, WorkerState& worker, RoutePlan& plan,
    const std::function<RoutePlan()>& replan
) {
    worker.wake(plan);
    const Patience patience = patience_of(exchange.request().headers, worker.policy);
    if (!plan.refusal && !patience.preferred) {
        co_return WaitEnd::look_at_plan;  // somebody else answers meanwhile
    }
    if (patience.time <= std::chrono::milliseconds::zero()) {
        co_return WaitEnd::look_at_plan;
    }
    const auto seat = worker.room.enter(Deadline::in(worker.clock, patience.time));
    if (!seat) {
        if (worker.room.closed()) {
            leave_without(plan);
        } else if (plan.refusal) {
            refuse_more(worker, plan);
        }
        co_return WaitEnd::look_at_plan;
    }

    struct Watch {
        net::Exchange& exchange;

        Watch(net::Exchange& watched, WaitingRoom::Seat& seat) : exchange{watched} {
            exchange.watch_client([&seat] { seat.client_left(); });
        }

        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

        ~Watch() { exchange.unwatch_client(); }
    } const watch{exchange, *seat};

    for (;;) {
        switch (co_await seat->news()) {
        case WaitingRoom::News::client_left:
            co_return WaitEnd::client_left;
        case WaitingRoom::News::closed:
            leave_without(plan);
            co_return WaitEnd::look_at_plan;
        case WaitingRoom::News::deadline:
            plan.waited_as_preferred = patience.preferred;
            co_return WaitEnd::look_at_plan;
        case WaitingRoom::News::new_table:
            break;
        }
        plan = replan();
        plan.waited_as_preferred = patience.preferred;
        if (!plan.loading) {
            settle_refusal(plan);
            co_return WaitEnd::look_at_plan;
        }
        worker.wake(plan);
    }
}

}  // namespace nova::gateway

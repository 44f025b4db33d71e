// Who counts, and what is said when nobody does.
#include "gateway/token_count.hpp"

#include <fmt/format.h>

#include "dialect/token_estimate.hpp"
#include "gateway/relay_errors.hpp"

namespace nova::gateway {

void keep_who_counts(RoutePlan& plan) {
    const auto counts = [](const RouteStep& step) {
        return step.upstream->speaks == dialect::Dialect::anthropic;
    };
    plan.loading.reset();
    plan.wake.reset();
    if (plan.refusal && plan.refusal->code == ErrorCode::unavailable) {
        plan.refusal.reset();
    }
    if (!plan.attempts.empty() && !counts(plan.attempts.front())) {
        plan.attempts.clear();
    }
    std::erase_if(plan.attempts, [&counts](const RouteStep& step) { return !counts(step); });
}

Task<void> answer_estimate(RelayJob& job) {
    if (const auto entered = job.enter(); !entered) {
        job.end = RequestEnd::refused;
        co_await answer_error(job, entered.error());
        co_return;
    }
    const auto request = job.chat_request();
    if (!request) {
        job.end = RequestEnd::refused;
        co_await answer_error(job, request.error());
        co_return;
    }
    const std::string body =
        fmt::format(R"({{"input_tokens":{}}})", dialect::estimated_prompt_tokens(**request));
    const OwnFields own{job, nullptr};
    std::vector<net::HeaderView> headers{own.view().begin(), own.view().end()};
    headers.push_back({"X-Nova-Estimate", "characters"});
    job.ends(RequestEnd::served, 200);
    ignore(
        co_await job.exchange.respond(200, "application/json", body, headers),
        "the client may be gone"
    );
}

}  // namespace nova::gateway

// POST /v1/messages/count_tokens where nobody of the plan can count: nova's own estimate.
#pragma once

#include "gateway/relay_job.hpp"

namespace nova::gateway {

// Leaves those of the plan who count tokens themselves, if the first of it does; else nobody: a
// count by somebody else's tokens is worse than an honest estimate. A model that is on its way is
// neither woken nor waited for.
void keep_who_counts(RoutePlan& plan);

// {"input_tokens": n} with X-Nova-Estimate, or what is wrong with the request.
Task<void> answer_estimate(RelayJob& job);

}  // namespace nova::gateway

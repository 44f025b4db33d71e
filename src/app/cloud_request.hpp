// nova's own questions to a cloud: which models it has, and whether it answers at all.
#pragma once

#include <string>
#include <vector>

#include "core/clock.hpp"
#include "gateway/leave_permit.hpp"
#include "gateway/provider_catalog.hpp"
#include "net/dial.hpp"

namespace nova::app {

// tls: one for all of them; nullptr where none of them needs it.
struct CloudLine {
    Clock& clock;
    net::TlsClient* tls = nullptr;
};

// Errors: unavailable, timeout; upstream_failed, words upstream_auth_error (401, 403),
// no_model_list (404, 405: it has none), redirected (never followed: the key would go along).
Task<Result<std::vector<std::string>>> ask_models(
    gateway::LeavePermit permit, CloudLine line, std::shared_ptr<const gateway::Upstream> upstream,
    const gateway::ProviderRow& row
);

// A completion of one token by its default model: for providers without a list. Errors as above;
// precondition when there is no default model.
Task<Result<void>> ask_one_token(
    gateway::LeavePermit permit, CloudLine line, std::shared_ptr<const gateway::Upstream> upstream
);

}  // namespace nova::app

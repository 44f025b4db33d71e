// An answer in another dialect than the client's, or in another shape: read as events, written
// anew.
#pragma once

#include "gateway/provider_attempt.hpp"

namespace nova::gateway {

Task<Ending> translate_answer(
    Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head
);

}  // namespace nova::gateway

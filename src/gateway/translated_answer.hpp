// An answer in another dialect than the client's, or in another shape: read as events, written
// anew.
#pragma once

#include "gateway/provider_attempt.hpp"

namespace nova::gateway {

Task<Ending> translate_answer(
    Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head
);

// To a request that asks nothing (ProviderRequest): what Ollama says of a model that was loaded or
// put away. Nobody is asked, and the record says so.
Task<Ending> answer_nothing(RelayJob& job);

}  // namespace nova::gateway

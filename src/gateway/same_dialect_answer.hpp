// An answer in the client's own dialect: its bytes pass through, one piece at a time.
#pragma once

#include "gateway/provider_attempt.hpp"

namespace nova::gateway {

// Is this an event stream for a client that wants a whole answer, or the other way round (trap 12):
// then it has to be put together anew.
bool is_another_shape(const Attempt& attempt, const net::ResponseHead& head);

// Is it a stream in that dialect.
bool is_stream(dialect::Dialect dialect, const net::ResponseHead& head);

Task<Ending>
pass_answer(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head);

}  // namespace nova::gateway

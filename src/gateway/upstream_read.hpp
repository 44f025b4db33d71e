// Reading an answer's next piece, with the deadlines and heartbeats of a relay.
#pragma once

#include "gateway/provider_attempt.hpp"

namespace nova::gateway {

// May a heartbeat be sent to the client now: only between events of an event stream that has begun.
enum class Heartbeat : std::uint8_t { no, between_events };

// For when nothing is buffered. The next bytes of the body, empty at its end. A client that cannot
// take a heartbeat has left: attempt.active says so.
Task<Result<std::string_view>>
wait_for_piece(Attempt& attempt, net::UpstreamConnection& upstream, Heartbeat heartbeat);

// After content: a stream gets one error event in the client's dialect and its end, anything else
// is visibly cut.
enum class Shape : std::uint8_t { stream, whole };
Task<void> end_badly(Attempt& attempt, Shape shape);

}  // namespace nova::gateway

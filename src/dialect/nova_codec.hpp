// What clients of the first Nova speak: POST /complete, /stream and /embed.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect {

// For clients only: no provider speaks it, so writing requests and reading answers is refused
// (unsupported). Which of /complete and /stream was asked says the route, not the body: the caller
// sets request.stream. request.model may be empty: those clients leave the choice to the gateway.
const Codec& nova_codec();

}  // namespace nova::dialect

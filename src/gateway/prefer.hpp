// The Prefer header (RFC 7240), as far as the gateway knows preferences.
#pragma once

#include <chrono>
#include <optional>

#include "net/http_message.hpp"

namespace nova::gateway {

// The client's "wait"; of several the first counts, also when it makes no sense (RFC 7240 2). Empty
// when there is none or it is no number of seconds: a preference is never an error.
std::optional<std::chrono::seconds> preferred_wait(const net::Headers& headers);

}  // namespace nova::gateway

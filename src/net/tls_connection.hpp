// TLS as a client, over any connection.
#pragma once

#include <memory>
#include <string>

#include "core/deadline.hpp"
#include "net/dial.hpp"

namespace nova::net {

// Shakes hands and verifies chain and host. Errors: unavailable with the reason, timeout.
Task<Result<std::unique_ptr<Connection>>>
start_tls(std::unique_ptr<Connection> plain, std::string host, TlsClient& tls, Deadline deadline);

}  // namespace nova::net

// Opening connections: TCP with every address tried, TLS with the host verified, unix sockets.
#pragma once

#include <memory>
#include <vector>

#include "core/deadline.hpp"
#include "net/connection.hpp"
#include "net/socket_address.hpp"

namespace nova::net {

// Client-side TLS settings, shared by all dials of a thread. System roots plus SSL_CERT_FILE's;
// verification of chain and host name cannot be switched off.
class TlsClient {
public:
    TlsClient();
    ~TlsClient();
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;

    struct Impl;

    Impl& impl() { return *impl_; }

private:
    std::unique_ptr<Impl> impl_;
};

// endpoint.host "unix:PATH" dials a unix socket; endpoint.tls needs tls != nullptr.
// Errors: unavailable ("127.0.0.1:8080 refused the connection."), timeout.
Task<Result<std::unique_ptr<Connection>>>
dial(Endpoint endpoint, Clock& clock, Deadline deadline, TlsClient* tls = nullptr);

// Whichever takes the connection first, without TLS. Error: the last address's.
Task<Result<std::unique_ptr<Connection>>>
connect_to_first(std::vector<SocketAddress> addresses, Clock& clock, Deadline deadline);

}  // namespace nova::net

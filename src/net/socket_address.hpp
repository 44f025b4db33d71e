// Kernel socket addresses: from an endpoint, to a peer, to an endpoint.
#pragma once

#include <sys/socket.h>

#include "core/result.hpp"
#include "core/strong.hpp"
#include "net/connection.hpp"

namespace nova::net {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

    int family() const { return storage.ss_family; }
};

bool is_unix(const Endpoint& endpoint);
// IP literals (brackets allowed) and "unix:PATH" only: names need a resolver. Error:
// invalid_argument.
Result<SocketAddress> literal_address(const Endpoint& endpoint);
Peer peer_of(const SocketAddress& address);
Endpoint endpoint_of(const SocketAddress& address);

// Owns a descriptor until somebody takes it over.
class Descriptor {
public:
    explicit Descriptor(int number) : number_{number} {}

    Descriptor(Descriptor&& other) noexcept : number_{other.release()} {}

    Descriptor& operator=(Descriptor&&) = delete;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    int get() const { return number_; }

    int release() noexcept;

private:
    int number_;
};

// Non-blocking and close-on-exec, which Asio's own sockets are not: an engine started meanwhile
// would keep a client's connection open. Error: unavailable with the reason.
Result<Descriptor> open_stream_socket(int family);

}  // namespace nova::net

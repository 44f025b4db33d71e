// inet_pton and inet_ntop with the few rules of ours around them.
#include "net/socket_address.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

namespace nova::net {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

Result<SocketAddress> unix_address(const Endpoint& endpoint) {
    const std::string path = endpoint.host.substr(kUnixPrefix.size());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return fail(
            ErrorCode::invalid_argument,
            "The socket path " + path + " is empty or longer than 107 bytes."
        );
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    SocketAddress result;
    std::memcpy(&result.storage, &address, sizeof address);
    result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return result;
}

template <class Address>
SocketAddress stored(const Address& address) {
    SocketAddress result;
    std::memcpy(&result.storage, &address, sizeof address);
    result.size = sizeof address;
    return result;
}

}  // namespace

bool is_unix(const Endpoint& endpoint) {
    return endpoint.host.starts_with(kUnixPrefix);
}

Result<SocketAddress> literal_address(const Endpoint& endpoint) {
    if (is_unix(endpoint)) {
        return unix_address(endpoint);
    }
    std::string host = endpoint.host;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    sockaddr_in v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        return stored(v4);
    }
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        return stored(v6);
    }
    return fail(ErrorCode::invalid_argument, endpoint.host + " is not an IP address.");
}

Peer peer_of(const SocketAddress& address) {
    Peer peer;
    char text[INET6_ADDRSTRLEN] = {};
    if (address.family() == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address.storage, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        peer.address = text;
        peer.port = ntohs(v4.sin_port);
        peer.loopback = (ntohl(v4.sin_addr.s_addr) >> 24U) == 127U;
    } else if (address.family() == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address.storage, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        peer.address = text;
        peer.port = ntohs(v6.sin6_port);
        const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) != 0;
        peer.loopback =
            IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0 || (mapped && v6.sin6_addr.s6_addr[12] == 127);
    } else {
        peer.address = "unix";
        peer.loopback = true;
    }
    return peer;
}

Endpoint endpoint_of(const SocketAddress& address) {
    if (address.family() == AF_UNIX) {
        sockaddr_un local{};
        std::memcpy(&local, &address.storage, sizeof local);
        return {.host = std::string{kUnixPrefix} + local.sun_path, .port = 0};
    }
    const Peer peer = peer_of(address);
    return {.host = peer.address, .port = peer.port};
}

Descriptor::~Descriptor() {
    if (number_ >= 0) {
        ::close(number_);
    }
}

int Descriptor::release() noexcept {
    return std::exchange(number_, -1);
}

Result<Descriptor> open_stream_socket(int family) {
    const int number = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (number < 0) {
        return fail(
            ErrorCode::unavailable,
            "A socket could not be opened: " + std::string{std::strerror(errno)} + "."
        );
    }
    return Descriptor{number};
}

}  // namespace nova::net

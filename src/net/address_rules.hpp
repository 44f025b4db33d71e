// Addresses nova never connects to, however they are written: link-local ones and the metadata
// services of clouds, which hand their credentials to whoever asks from inside.
#pragma once

#include <string_view>

#include "core/result.hpp"
#include "net/socket_address.hpp"

namespace nova::net {

// Of an address as the kernel gets it; also looks into IPv4 written as IPv6 (mapped, NAT64, 6to4).
bool is_forbidden(const SocketAddress& address);

// Of a host as a person writes it: every spelling of an IPv4 address the C library takes
// ("2852039166", "0xa9.0376.43518"), IPv6, and the names of metadata services. Names that resolve
// to such an address are found when they are dialled. Error: unprocessable.
Result<void> check_host(std::string_view host);

// 127.0.0.0/8, ::1, "localhost", unix sockets.
bool is_own_machine(std::string_view host);
// Loopback, RFC 1918, CGNAT and unique local addresses: networks of one's own.
bool is_private_host(std::string_view host);

}  // namespace nova::net

// Who may talk to a listener at all: Host and Origin rules that keep web pages away from it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/strong.hpp"
#include "net/http_message.hpp"

namespace nova::net {

// decisions.md 4.1. A page on the web can make a browser send requests to 127.0.0.1, and can point
// its own name there (DNS rebinding); what it cannot do is forge Host and Origin.
struct AdmissionRules {
    Endpoint listen;                   // as bound
    std::vector<std::string> hosts;    // further names this machine is reached by, without port
    std::vector<std::string> origins;  // further origins, "https://chat.example.org"
};

// Empty: may pass. Error: forbidden, word host_not_allowed or origin_not_allowed.
// Allowed hosts: localhost, IP literals that name this listener (loopback ones, the bound address;
// any literal when bound to every address, because rebinding needs a name), and rules.hosts.
// Allowed origins: the listener's own (equal to the Host header), and rules.origins.
std::optional<Error> admit(const AdmissionRules& rules, const RequestHead& head);

// The host of "name:port", "[::1]:80" or "name", lower case, without brackets and trailing dot;
// empty when it is malformed.
std::string host_of_authority(std::string_view authority);

bool is_loopback_host(std::string_view host);  // "localhost", "127.x.y.z", "::1"

// decisions.md 4.3: a request that came through a proxy is nobody's neighbour, whatever address
// the connection has.
bool came_through_proxy(const Headers& headers);

}  // namespace nova::net

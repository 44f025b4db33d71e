// How an endpoint is written.
#include "core/strong.hpp"

#include <array>
#include <charconv>

namespace nova {

// By hand: every request has a Host header, and a formatter costs ten times as much.
std::string Endpoint::text() const {
    if (host.starts_with("unix:")) {
        return host;
    }
    std::array<char, 5> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), port).ptr;
    // An IPv6 literal carries colons of its own (RFC 3986, 3.2.2).
    const bool brackets = host.find(':') != std::string::npos;
    std::string text;
    text.reserve(host.size() + digits.size() + 3);
    text.append(brackets ? "[" : "").append(host).append(brackets ? "]:" : ":");
    text.append(digits.data(), end);
    return text;
}

}  // namespace nova

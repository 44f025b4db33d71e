// How an endpoint is written.
#include "core/strong.hpp"

#include <fmt/format.h>

namespace nova {

std::string Endpoint::text() const {
    if (host.starts_with("unix:")) {
        return host;
    }
    // An IPv6 literal carries colons of its own (RFC 3986, 3.2.2).
    if (host.find(':') != std::string::npos) {
        return fmt::format("[{}]:{}", host, port);
    }
    return fmt::format("{}:{}", host, port);
}

}  // namespace nova

// Addresses of files on the web, with the query that downloads carry, and where redirects lead.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/strong.hpp"

namespace nova::catalog {

struct WebUrl {
    Endpoint endpoint;
    std::string target = "/";  // path and query, as they are sent

    bool operator==(const WebUrl&) const = default;
    std::string path() const;  // without the query
    // For people and logs: no query, which may hold a signature.
    std::string shown() const;
};

// "https://host[:port]/path[?query][#fragment]"; the fragment is dropped. Error: invalid_argument.
Result<WebUrl> parse_web_url(std::string_view text);

// Where a Location header leads from there (RFC 9110 10.2.2: absolute, or relative to the request).
// Error: upstream_failed.
Result<WebUrl> redirected(const WebUrl& from, std::string_view location);

bool is_loopback(const Endpoint& endpoint);

// The segments of a path escaped, the slashes between them kept.
std::string percent_encoded_path(std::string_view path);

}  // namespace nova::catalog

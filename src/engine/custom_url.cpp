// "https://host:port/base" taken apart.
#include "engine/custom_url.hpp"

#include <charconv>

#include <fmt/format.h>

namespace nova::engine {
namespace {

std::unexpected<Error> bad_url(std::string_view what) {
    return fail(Error{
        .code = ErrorCode::unprocessable,
        .message = fmt::format("The URL of the custom backend {}.", what),
        .word = "invalid_url",
        .remedy = "Give its API root, for example http://127.0.0.1:8080/v1."
    });
}

}  // namespace

Result<CustomServer> custom_server_from(const BackendSpec& spec) {
    std::string_view rest = spec.url;
    CustomServer server;
    if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    } else if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
        server.endpoint.tls = true;
    } else {
        return bad_url(rest.empty() ? "is missing" : "must start with http:// or https://");
    }
    if (rest.find_first_of("?#@ \t\r\n") != std::string_view::npos) {
        return bad_url("must not hold a query, a fragment, a user or white space");
    }
    const std::size_t slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);
    server.base_path = slash == std::string_view::npos ? "" : rest.substr(slash);
    while (server.base_path.ends_with('/')) {
        server.base_path.pop_back();
    }
    if (server.base_path.empty()) {
        server.base_path = "/v1";
    }
    server.endpoint.port = server.endpoint.tls ? 443 : 80;
    std::size_t colon = authority.rfind(':');
    if (authority.starts_with('[')) {  // an IPv6 literal (RFC 3986, 3.2.2)
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos) {
            return bad_url("has an unfinished IPv6 address");
        }
        colon = close + 1 < authority.size() ? close + 1 : std::string_view::npos;
        server.endpoint.host = authority.substr(1, close - 1);
    } else {
        server.endpoint.host = authority.substr(0, colon);
    }
    if (colon != std::string_view::npos) {
        const std::string_view port = authority.substr(colon + 1);
        const auto [end, code] =
            std::from_chars(port.data(), port.data() + port.size(), server.endpoint.port);
        if (authority[colon] != ':' || code != std::errc{} || end != port.data() + port.size() ||
            server.endpoint.port == 0) {
            return bad_url("has a bad port");
        }
    }
    if (server.endpoint.host.empty()) {
        return bad_url("has no host");
    }
    server.auth_header_name =
        spec.auth_header_name.empty() ? "Authorization" : spec.auth_header_name;
    return server;
}

}  // namespace nova::engine

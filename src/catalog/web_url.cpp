// Splits the query off and leaves the rest to net's strict parser.
#include "catalog/web_url.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "net/http_client.hpp"

namespace nova::catalog {
namespace {

bool is_visible(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

// "." and ".." taken out of a merged path (RFC 3986 5.2.4).
std::string without_dots(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        path.remove_prefix(1);  // the slash
        const auto end = std::min(path.find('/'), path.size());
        const std::string_view segment = path.substr(0, end);
        const bool last = end == path.size();
        if (segment == "..") {
            out.resize(out.empty() ? 0 : out.rfind('/'));
        } else if (segment != ".") {
            out.append("/").append(segment);
        }
        if (last && (segment == "." || segment == "..")) {
            out += '/';
        }
        path.remove_prefix(end);
    }
    return out.empty() ? "/" : out;
}

}  // namespace

std::string WebUrl::path() const {
    return target.substr(0, target.find('?'));
}

std::string WebUrl::shown() const {
    const net::Url url{.endpoint = endpoint, .path = {}};
    return fmt::format("{}://{}{}", endpoint.tls ? "https" : "http", url.host_header(), path());
}

Result<WebUrl> parse_web_url(std::string_view text) {
    text = text.substr(0, text.find('#'));
    const auto question = std::min(text.find('?'), text.size());
    const std::string_view query = text.substr(question);
    const auto url = net::parse_url(text.substr(0, question));
    if (!url) {
        return propagate(url);
    }
    if (!is_visible(text)) {
        return fail(
            ErrorCode::invalid_argument, "The URL has spaces or characters that are not ASCII.",
            "Write them percent-encoded, as a browser copies them."
        );
    }
    WebUrl result{.endpoint = url->endpoint, .target = url->path};
    if (result.target.empty()) {
        result.target = "/";
    }
    result.target.append(query);
    return result;
}

Result<WebUrl> redirected(const WebUrl& from, std::string_view location) {
    location = location.substr(0, location.find('#'));
    const auto bad = [&](std::string_view why) {
        return fail(
            ErrorCode::upstream_failed,
            fmt::format("{} answered with a redirect {}.", from.endpoint.text(), why)
        );
    };
    if (location.empty()) {
        return bad("to nowhere");
    }
    if (location.starts_with("https://") || location.starts_with("http://")) {
        auto url = parse_web_url(location);
        return url ? url : bad("to an address that is not valid");
    }
    if (location.starts_with("//")) {
        auto url =
            parse_web_url(fmt::format("{}:{}", from.endpoint.tls ? "https" : "http", location));
        return url ? url : bad("to an address that is not valid");
    }
    const auto question = std::min(location.find('?'), location.size());
    const std::string_view path = location.substr(0, question);
    if (!is_visible(location) || path.substr(0, path.find('/')).contains(':')) {
        return bad("to an address that is not valid");
    }
    WebUrl result{.endpoint = from.endpoint, .target = {}};
    if (path.starts_with('/')) {
        result.target = without_dots(path);
    } else if (path.empty()) {
        result.target = from.path();
    } else {
        const std::string base = from.path();
        result.target = without_dots(base.substr(0, base.rfind('/') + 1) + std::string{path});
    }
    result.target.append(location.substr(question));
    return result;
}

bool is_loopback(const Endpoint& endpoint) {
    return endpoint.host == "127.0.0.1" || endpoint.host == "::1" || endpoint.host == "localhost";
}

std::string percent_encoded_path(std::string_view path) {
    std::string out;
    for (const char c : path) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                           c == '/';
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

}  // namespace nova::catalog

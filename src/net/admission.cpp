// Host and Origin rules of both listeners.
#include "net/admission.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace nova::net {
namespace {

namespace ip = boost::asio::ip;

std::string lower(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size();
}

std::optional<ip::address> literal(std::string_view host) {
    boost::system::error_code error;
    const auto address = ip::make_address(std::string{host}, error);
    if (error) {
        return std::nullopt;
    }
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return ip::make_address_v4(ip::v4_mapped, address.to_v6());
    }
    return address;
}

// What a program on this machine writes: nothing to parse, and nothing a page on the web could
// send.
bool is_plain_loopback(std::string_view authority) {
    for (const std::string_view name : {"127.0.0.1", "localhost"}) {
        if (authority.starts_with(name)) {
            const std::string_view rest = authority.substr(name.size());
            return rest.empty() || (rest.size() > 1 && rest[0] == ':' && is_port(rest.substr(1)));
        }
    }
    return false;
}

bool host_allowed(const AdmissionRules& rules, const std::string& host) {
    if (host.empty()) {
        return false;
    }
    if (is_loopback_host(host)) {
        return true;
    }
    const auto listed = [&host](const std::string& name) {
        return host_of_authority(name) == host;
    };
    if (std::ranges::any_of(rules.hosts, listed) || host == lower(rules.listen.host)) {
        return true;
    }
    const auto address = literal(host);
    const auto bound = literal(rules.listen.host);
    return address && bound && (bound->is_unspecified() || *address == *bound);
}

Error host_refused(std::string_view host) {
    return Error{
        .code = ErrorCode::forbidden,
        .message = fmt::format("This nova is not known by the host name \"{}\".", host),
        .word = "host_not_allowed",
        .remedy = "Use localhost or the listener's address, or name the host with --allowed-host."
    };
}

Error origin_refused(std::string_view origin) {
    return Error{
        .code = ErrorCode::forbidden,
        .message = fmt::format("Web pages of \"{}\" may not use this nova.", origin),
        .word = "origin_not_allowed",
        .remedy = "Allow the page's origin with --allowed-origin if it is yours."
    };
}

// "http://host:port" taken apart as far as needed here; nullopt for "null" and other schemes.
std::optional<std::string_view> authority_of_origin(std::string_view origin) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (origin.starts_with(scheme)) {
            return origin.substr(scheme.size());
        }
    }
    return std::nullopt;
}

bool origin_allowed(
    const AdmissionRules& rules, const std::string& origin, std::string_view host_field
) {
    const auto listed = [&origin](const std::string& own) { return lower(own) == origin; };
    if (std::ranges::any_of(rules.origins, listed)) {
        return true;
    }
    const auto authority = authority_of_origin(origin);
    return authority && !authority->empty() && *authority == lower(host_field);
}

}  // namespace

std::string host_of_authority(std::string_view authority) {
    std::string_view host = authority;
    std::string_view rest;
    if (host.starts_with('[')) {
        const auto close = host.find(']');
        if (close == std::string_view::npos) {
            return {};
        }
        rest = host.substr(close + 1);
        host = host.substr(1, close - 1);
    } else if (const auto colon = host.find(':'); colon != std::string_view::npos) {
        // More than one colon without brackets is a bare IPv6 literal: only in configuration.
        if (host.find(':', colon + 1) == std::string_view::npos) {
            rest = host.substr(colon);
            host = host.substr(0, colon);
        }
    }
    if (!rest.empty() &&
        (!rest.starts_with(':') || (rest.size() > 1 && !is_port(rest.substr(1))))) {
        return {};
    }
    if (host.ends_with('.')) {
        host.remove_suffix(1);  // the absolute spelling of the same name
    }
    static constexpr std::string_view kForeign = " \t@/\\?#";
    if (std::ranges::any_of(host, [](char c) { return kForeign.contains(c); })) {
        return {};
    }
    return lower(host);
}

bool is_loopback_host(std::string_view host) {
    if (host == "localhost" || host == "127.0.0.1" || host == "::1") {
        return true;  // what nearly everybody writes needs no parser
    }
    const auto address = literal(host);
    return address && address->is_loopback();
}

bool came_through_proxy(const Headers& headers) {
    return headers.has("Forwarded") || headers.has("X-Forwarded-For") || headers.has("Via");
}

std::optional<Error> admit(const AdmissionRules& rules, const RequestHead& head) {
    const std::string_view host_field = head.headers.find("Host");
    // HTTP/1.0 clients need not send Host; browsers always do, and they are what this is about.
    const bool may_lack_host = head.minor_version == 0 && !head.headers.has("Host");
    if (!may_lack_host && !is_plain_loopback(host_field) &&
        !host_allowed(rules, host_of_authority(host_field))) {
        return host_refused(host_field);
    }
    if (head.headers.has("Origin")) {
        const std::string origin = lower(head.headers.find("Origin"));
        if (head.headers.count("Origin") > 1 || !origin_allowed(rules, origin, host_field)) {
            return origin_refused(head.headers.find("Origin"));
        }
    }
    return std::nullopt;
}

}  // namespace nova::net

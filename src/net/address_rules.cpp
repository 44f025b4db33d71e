// One list of networks, asked by bytes.
#include "net/address_rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace nova::net {
namespace {

struct Network {
    std::uint32_t base;
    unsigned bits;

    bool holds(std::uint32_t address) const {
        const std::uint32_t mask = bits == 0 ? 0U : ~std::uint32_t{0} << (32U - bits);
        return (address & mask) == (base & mask);
    }
};

constexpr std::uint32_t v4(unsigned a, unsigned b, unsigned c, unsigned d) {
    return a << 24U | b << 16U | c << 8U | d;
}

// Link-local with AWS, Azure, GCP and others at .169.254; the metadata addresses of Alibaba,
// Oracle and Azure's host agent.
constexpr std::array<Network, 4> kForbidden{{
    {v4(169, 254, 0, 0), 16},
    {v4(100, 100, 100, 200), 32},
    {v4(192, 0, 0, 192), 32},
    {v4(168, 63, 129, 16), 32},
}};

constexpr std::array<Network, 5> kPrivate{{
    {v4(127, 0, 0, 0), 8},
    {v4(10, 0, 0, 0), 8},
    {v4(172, 16, 0, 0), 12},
    {v4(192, 168, 0, 0), 16},
    {v4(100, 64, 0, 0), 10},
}};

// Resolved on the machines of those clouds only, so that a look at the address might come too late.
constexpr std::array<std::string_view, 6> kMetadataNames{
    "metadata",      "metadata.google.internal",   "metadata.goog",
    "instance-data", "instance-data.ec2.internal", "metadata.azure.internal",
};

bool forbidden_v4(std::uint32_t address) {
    return std::ranges::any_of(kForbidden, [address](const Network& n) {
        return n.holds(address);
    });
}

using Bytes = std::array<unsigned char, 16>;

std::uint32_t v4_at(const Bytes& bytes, std::size_t at) {
    return v4(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool begins(const Bytes& bytes, std::initializer_list<unsigned char> with) {
    return std::equal(with.begin(), with.end(), bytes.begin());
}

// The IPv4 address inside: ::a.b.c.d, ::ffff:a.b.c.d, 64:ff9b::a.b.c.d, 2002:AABB:CCDD::.
std::optional<std::uint32_t> inner_v4(const Bytes& bytes) {
    const bool zeros =
        std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; });
    const bool mapped = zeros && bytes[10] == 0xff && bytes[11] == 0xff;
    const bool compatible = zeros && bytes[10] == 0 && bytes[11] == 0;
    if (mapped || compatible || begins(bytes, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) {
        return v4_at(bytes, 12);
    }
    if (begins(bytes, {0x20, 0x02})) {
        return v4_at(bytes, 2);
    }
    return std::nullopt;
}

bool forbidden_v6(const Bytes& bytes) {
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80) {
        return true;  // fe80::/10
    }
    // fd00:ec2::254 and its kin are AWS's; fd20:ce::254 is Google's.
    if (begins(bytes, {0xfd, 0x00, 0x0e, 0xc2}) || begins(bytes, {0xfd, 0x20, 0x00, 0xce})) {
        return true;
    }
    const auto inner = inner_v4(bytes);
    return inner && forbidden_v4(*inner);
}

std::string plain(std::string_view host) {
    std::string text{host};
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
        text = text.substr(1, text.size() - 2);
    }
    while (text.ends_with('.')) {
        text.pop_back();
    }
    std::ranges::transform(text, text.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return text.substr(0, text.find('%'));  // without the zone of an IPv6 address
}

// inet_aton takes every spelling that the resolver takes as well.
std::optional<std::uint32_t> as_v4(const std::string& host) {
    in_addr address{};
    if (inet_aton(host.c_str(), &address) == 0) {
        return std::nullopt;
    }
    return ntohl(address.s_addr);
}

std::optional<Bytes> as_v6(const std::string& host) {
    in6_addr address{};
    if (inet_pton(AF_INET6, host.c_str(), &address) != 1) {
        return std::nullopt;
    }
    Bytes bytes{};
    std::memcpy(bytes.data(), &address, bytes.size());
    return bytes;
}

bool in_own_network(std::string_view host, std::span<const Network> networks) {
    const std::string text = plain(host);
    auto number = as_v4(text);
    if (const auto bytes = as_v6(text); bytes && !number) {
        const bool own = (bytes->front() & 0xfeU) == 0xfc;  // fc00::/7
        const bool loop = *bytes == Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        if (loop || (own && networks.size() > 1)) {
            return true;
        }
        number = inner_v4(*bytes);
    }
    return number &&
           std::ranges::any_of(networks, [&number](const Network& n) { return n.holds(*number); });
}

}  // namespace

bool is_forbidden(const SocketAddress& address) {
    if (address.family() == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &address.storage, sizeof in);
        return forbidden_v4(ntohl(in.sin_addr.s_addr));
    }
    if (address.family() == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, &address.storage, sizeof in);
        Bytes bytes{};
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        return forbidden_v6(bytes);
    }
    return false;
}

Result<void> check_host(std::string_view host) {
    const std::string text = plain(host);
    const auto number = as_v4(text);
    const auto bytes = as_v6(text);
    const bool named = std::ranges::find(kMetadataNames, text) != kMetadataNames.end();
    if (named || (number && forbidden_v4(*number)) || (bytes && forbidden_v6(*bytes))) {
        return fail(Error{
            .code = ErrorCode::unprocessable,
            .message = fmt::format("nova does not connect to {}.", host),
            .word = "address_not_allowed",
            .remedy = "Link-local addresses and metadata services of clouds are never used.",
        });
    }
    return {};
}

bool is_own_machine(std::string_view host) {
    return host.starts_with("unix:") || plain(host) == "localhost" ||
           in_own_network(host, std::span{kPrivate}.first(1));
}

bool is_private_host(std::string_view host) {
    return is_own_machine(host) || in_own_network(host, kPrivate);
}

}  // namespace nova::net

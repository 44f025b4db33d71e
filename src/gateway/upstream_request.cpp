// Allow-lists of header fields.
#include "gateway/upstream_request.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "net/http_codec.hpp"

namespace nova::gateway {
namespace {

// To the engine: what describes the body or follows the request through a trace. Never
// Authorization, Cookie, Host, hop-by-hop fields or X-Forwarded-*.
constexpr std::array<std::string_view, 5> kToUpstream{
    "Content-Type", "Accept", "User-Agent", "traceparent", "tracestate",
};

// Of these a body in another dialect has its own.
constexpr std::size_t kOfTheBody = 2;

// Anthropic's clients say what they understand; the provider has to hear it.
constexpr std::array<std::string_view, 2> kToAnthropic{"anthropic-version", "anthropic-beta"};

// To the client, besides the families below. Server, Date and hop-by-hop fields are each side's own
// (traps 16, 17); Retry-After is bounded first (trap 47).
constexpr std::array<std::string_view, 6> kToClient{
    "Content-Type",     "Content-Encoding", "Cache-Control",
    "Content-Language", "Location",         "X-Accel-Buffering",
};

// Rate limits keep their names (trap 48).
constexpr std::array<std::string_view, 3> kFamilies{"x-ratelimit-", "anthropic-", "openai-"};

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() &&
           net::equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool client_may_see(std::string_view name) {
    return std::ranges::any_of(
               kToClient, [name](auto field) { return net::equal_ignoring_case(name, field); }
           ) ||
           std::ranges::any_of(kFamilies, [name](auto family) {
               return starts_with_ignoring_case(name, family);
           });
}

// A service's own port is left out, as browsers do: some in front of providers compare.
void append_host(std::string& head, const Endpoint& endpoint) {
    std::string text = endpoint.text();
    const std::string_view usual = endpoint.tls ? ":443" : ":80";
    if (text.ends_with(usual)) {
        text.resize(text.size() - usual.size());
    }
    net::append_header(head, "Host", text);
}

void append_client_fields(
    std::string& head, const Upstream& upstream, const UpstreamRequest& request
) {
    for (std::size_t i = request.translated ? kOfTheBody : 0; i < kToUpstream.size(); ++i) {
        const std::string_view value = request.client.headers.find(kToUpstream[i]);
        if (!value.empty()) {
            net::append_header(head, kToUpstream[i], value);
        }
    }
    if (request.translated || request.client.headers.find("Content-Type").empty()) {
        net::append_header(head, "Content-Type", "application/json");
    }
    if (!request.request_id.empty()) {
        net::append_header(head, "X-Request-Id", request.request_id);
    }
    const bool anthropic = upstream.speaks == dialect::Dialect::anthropic && !request.translated;
    for (const std::string_view name :
         std::span{kToAnthropic}.first(anthropic ? kToAnthropic.size() : 0)) {
        const std::string_view value = request.client.headers.find(name);
        if (!value.empty()) {
            net::append_header(head, name, value);
        }
    }
    for (const auto& [name, value] : upstream.headers) {
        const bool said = anthropic && request.client.headers.has(name) &&
                          std::ranges::any_of(kToAnthropic, [&name](auto field) {
                              return net::equal_ignoring_case(name, field);
                          });
        if (!said) {
            net::append_header(head, name, value);
        }
    }
}

}  // namespace

std::string upstream_request_head(const Upstream& upstream, const UpstreamRequest& request) {
    std::string head;
    head.reserve(512);
    head.append("POST ").append(upstream.base_path).append(request.path);
    if (const auto query = request.client.query(); !request.translated && !query.empty()) {
        head.append("?").append(query);
    }
    head.append(" HTTP/1.1\r\n");
    append_host(head, upstream.endpoint);
    append_client_fields(head, upstream, request);
    // Compressed event streams could not be cut at event borders (trap 13).
    head.append("Accept-Encoding: identity\r\n");
    if (!upstream.auth_header_name.empty()) {
        net::append_header(head, upstream.auth_header_name, upstream.auth_header_value.reveal());
    }
    std::array<char, 20> length{};
    const auto end =
        std::to_chars(length.data(), length.data() + length.size(), request.body_bytes).ptr;
    head.append("Content-Length: ").append(length.data(), end).append("\r\n\r\n");
    return head;
}

AnswerHeaders::AnswerHeaders(std::span<const net::HeaderView> own, const net::ResponseHead& head) {
    fields_.reserve(head.headers.size() + own.size());
    for (const net::HeaderView& field : head.headers) {
        if (client_may_see(field.name)) {
            fields_.push_back(field);
        }
    }
    fields_.insert(fields_.end(), own.begin(), own.end());
}

std::optional<std::uint64_t> announced_length(const net::ResponseHead& head) {
    if (head.headers.has("Transfer-Encoding")) {
        return std::nullopt;
    }
    const std::string_view text = head.headers.find("Content-Length");
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool good =
        !text.empty() && parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
    return good ? std::optional{value} : std::nullopt;
}

}  // namespace nova::gateway

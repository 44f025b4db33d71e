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
constexpr std::array<std::string_view, 6> kToUpstream{
    "Content-Type", "Accept", "User-Agent", "traceparent", "tracestate", "X-Request-Id",
};

// To the client, besides the families below. Server, Date and hop-by-hop fields are each side's own
// (traps 16, 17).
constexpr std::array<std::string_view, 8> kToClient{
    "Content-Type",     "Content-Encoding", "Cache-Control", "Retry-After",
    "Content-Language", "X-Request-Id",     "Location",      "X-Accel-Buffering",
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

}  // namespace

std::string upstream_request_head(
    const Upstream& upstream, std::string_view api_path, const net::RequestHead& client,
    std::size_t body_bytes
) {
    std::string target = upstream.base_path;
    target += api_path;
    if (!client.query().empty()) {
        target += '?';
        target += client.query();
    }
    std::string head;
    head.reserve(512);
    net::append_request_line(head, "POST", target);
    net::append_header(head, "Host", upstream.endpoint.text());
    for (const std::string_view name : kToUpstream) {
        const std::string_view value = client.headers.find(name);
        if (!value.empty()) {
            net::append_header(head, name, value);
        }
    }
    if (client.headers.find("Content-Type").empty()) {
        net::append_header(head, "Content-Type", "application/json");
    }
    // Compressed event streams could not be cut at event borders (trap 13).
    net::append_header(head, "Accept-Encoding", "identity");
    if (!upstream.auth_header_name.empty()) {
        net::append_header(head, upstream.auth_header_name, upstream.auth_header_value.reveal());
    }
    net::append_header(head, "Content-Length", std::to_string(body_bytes));
    net::append_head_end(head);
    return head;
}

AnswerHeaders::AnswerHeaders(const Upstream& upstream, const net::ResponseHead& head) {
    fields_.reserve(head.headers.size() + 2);
    for (const net::HeaderView& field : head.headers) {
        if (client_may_see(field.name)) {
            fields_.push_back(field);
        }
    }
    fields_.push_back({"X-Nova-Provider", upstream.provider});
    if (head.headers.has("Transfer-Encoding")) {
        return;
    }
    const std::string_view text = head.headers.find("Content-Length");
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (!text.empty() && parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size()) {
        length_ = value;
    }
}

}  // namespace nova::gateway

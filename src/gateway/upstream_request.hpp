// Heads on both sides of the relay, synthesised afresh from allow-lists (house.md 13).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/routing_table.hpp"
#include "net/http_message.hpp"

namespace nova::gateway {

// What one request's head is made of, besides the upstream.
struct UpstreamRequest {
    std::string_view path;  // behind the upstream's base path
    const net::RequestHead& client;
    std::size_t body_bytes = 0;
    std::string_view request_id{};  // empty: none
    // Written anew in another dialect: what describes the client's body does not describe this one.
    bool translated = false;
};

// The complete head of the request to the upstream, blank line included. The client's credentials
// and cookies stay here; its query string goes along (trap 73).
std::string upstream_request_head(const Upstream& upstream, const UpstreamRequest& request);

// The fields of an upstream's answer that clients may see, and nova's own, which take the place of
// the upstream's (trap 101). Views into own and head, which must outlive it.
class AnswerHeaders {
public:
    AnswerHeaders(std::span<const net::HeaderView> own, const net::ResponseHead& head);

    std::span<const net::HeaderView> view() const { return fields_; }

private:
    std::vector<net::HeaderView> fields_;
};

// Content-Length, when the upstream framed its body by it.
std::optional<std::uint64_t> announced_length(const net::ResponseHead& head);

}  // namespace nova::gateway

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

// The complete head of the request to the upstream, blank line included. The client's credentials
// and cookies stay here; its query string goes along (trap 73).
std::string upstream_request_head(
    const Upstream& upstream, std::string_view api_path, const net::RequestHead& client,
    std::size_t body_bytes
);

// The fields of an upstream's answer that clients may see, and nova's own. Views into the head and
// the upstream, which must outlive it.
class AnswerHeaders {
public:
    AnswerHeaders(const Upstream& upstream, const net::ResponseHead& head);

    std::span<const net::HeaderView> view() const { return fields_; }

    void add(net::HeaderView field) { fields_.push_back(field); }

    // Content-Length, when the upstream framed its body by it.
    std::optional<std::uint64_t> length() const { return length_; }

private:
    std::vector<net::HeaderView> fields_;
    std::optional<std::uint64_t> length_;
};

}  // namespace nova::gateway

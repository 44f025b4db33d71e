// Requests to a hub and to wherever it redirects: encrypted, and the token for the hub alone.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "catalog/hub_reply.hpp"
#include "catalog/web_url.hpp"
#include "core/secret.hpp"
#include "net/http_client.hpp"

namespace nova::catalog {

struct HubAddress {
    WebUrl base;  // https://huggingface.co, or a mirror of it
    Secret token;
};

// The setting hub.url. Errors: unprocessable: not https, unless on loopback.
Result<WebUrl> parse_hub_url(std::string_view text);

struct WebAnswer {
    net::OpenAnswer answer;
    WebUrl at;  // after the redirects
    TokenSent token = TokenSent::no;
};

class WebAccess {
public:
    // clock and tls outlive it; tls may be nullptr where only loopback is asked.
    WebAccess(Clock& clock, net::TlsClient* tls, HubAddress hub)
        : clock_{clock}, tls_{tls}, hub_{std::move(hub)} {}

    // GET until the head of an answer that is no redirect, whatever its status. Each hop has that
    // long. Errors: unavailable, timeout; upstream_failed word redirect_refused: too many, or to
    // an address that is not encrypted.
    Task<Result<WebAnswer>>
    get(WebUrl url, std::vector<std::pair<std::string, std::string>> headers,
        std::chrono::nanoseconds limit);

    // Plain http only on loopback, and only when the hub itself is there (a test, a local mirror).
    bool allowed(const WebUrl& url) const;

    const HubAddress& hub() const { return hub_; }

    // The hub's address with this behind it: "/api/models/org/repo".
    WebUrl at_hub(std::string_view path_and_query) const;

private:
    Clock& clock_;
    net::TlsClient* tls_;
    HubAddress hub_;
};

}  // namespace nova::catalog

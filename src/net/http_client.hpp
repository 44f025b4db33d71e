// Whole requests for whoever is not the relay: probes, the control API's clients, Docker, hubs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/upstream.hpp"

namespace nova::net {

struct FetchRequest {
    Endpoint endpoint;
    std::string method = "GET";
    std::string target = "/";
    std::vector<std::pair<std::string, std::string>> headers{};  // Host and lengths are ours
    std::string body{};
    Deadline deadline{};
    std::size_t body_limit = 4U * 1024U * 1024U;  // of the answer
};

struct FetchResponse {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;

    std::string_view header(std::string_view name) const;
};

// A fresh connection each, closed afterwards. Redirects are returned, never followed (trap 32).
// Errors: unavailable, timeout, upstream_failed, too_large.
Task<Result<FetchResponse>> fetch(Clock& clock, FetchRequest request, TlsClient* tls = nullptr);

// The same with the body handed over as it arrives (progress streams, event streams). on_head runs
// once before; returning false from either ends the request with cancelled.
struct StreamSink {
    std::function<bool(int status)> on_head;
    std::function<bool(std::string_view bytes)> on_data;
};

Task<Result<int>>
fetch_stream(Clock& clock, FetchRequest request, StreamSink sink, TlsClient* tls = nullptr);

// An answer whose body is still to come: read it from the connection, whose deadline is the
// caller's from then on (connection->connection().expire_at()).
struct OpenAnswer {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers{};
    std::unique_ptr<UpstreamConnection> connection{};

    std::string_view header(std::string_view name) const;
};

// Until the head of the answer; the request's deadline ends with it. Errors as fetch().
Task<Result<OpenAnswer>> fetch_open(Clock& clock, FetchRequest request, TlsClient* tls = nullptr);

// "http://host:port/base" taken apart. Error: invalid_argument with what is wrong.
struct Url {
    Endpoint endpoint;
    std::string path;  // "" or "/v1", without trailing slash
    std::string host_header() const;
};

Result<Url> parse_url(std::string_view text);

}  // namespace nova::net

// Docker's Engine API over its unix socket: one version agreed on, a deadline for each call.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "net/http_client.hpp"

namespace nova::runtime {

struct DockerCall {
    std::string method = "GET";
    std::string path = "/";  // behind the version: "/containers/json"
    std::vector<std::pair<std::string, std::string>> query{};
    std::string body{};  // JSON, or nothing
    std::chrono::nanoseconds limit = std::chrono::seconds{30};
};

struct DockerReply {
    int status = 0;
    std::shared_ptr<const Json> json{};

    const Json& body() const;  // null where there is none

    bool ok() const { return status >= 200 && status < 400; }

    // What a refusal says; "" when it says nothing.
    std::string message() const;
};

struct DockerVersion {
    std::string api;      // agreed on: "1.41"
    bool podman = false;  // Podman's compatible socket
};

// Single-threaded. A refusal (404, 409, 500) is a reply; errors are that nobody answers, not in
// time (docker_unavailable), or not as Docker does (upstream_failed).
class DockerApi {
public:
    DockerApi(Clock& clock, std::string socket);

    const std::string& socket() const { return socket_; }

    // min(ours, the daemon's), asked once and again after the daemon was away. Error unsupported:
    // too old.
    Task<Result<DockerVersion>> version();
    Task<Result<DockerReply>> call(DockerCall call);
    // The head of an answer that goes on: pulls, logs, waits. The limit ends with it; the rest is
    // the caller's.
    Task<Result<net::OpenAnswer>> open(DockerCall call);

    // The body of a refusal that was opened, as call() would have it.
    Task<Result<DockerReply>> refusal(net::OpenAnswer answer);

private:
    std::unexpected<Error> unavailable(const Error& why);

    Clock& clock_;
    std::string socket_;
    std::optional<DockerVersion> version_;
};

// The newest of ours and the daemon's that both know; empty: too old. "1.47" or garbage in.
std::optional<std::string> agreed_api_version(std::string_view daemon);

// For paths and queries: everything but letters, digits and "-._~" escaped.
std::string docker_escaped(std::string_view text);

}  // namespace nova::runtime

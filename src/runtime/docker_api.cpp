// A connection for each call: calls are rare, and a daemon that was restarted leaves none behind.
#include "runtime/docker_api.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "runtime/docker_error.hpp"
#include "runtime/docker_json.hpp"

namespace nova::runtime {
namespace {

// 1.41 is Docker 20.10. Up to 1.47 nothing nova reads has changed; newer daemons go down to it
// (reference 7.1).
constexpr int kLeastMinor = 41;
constexpr int kMostMinor = 47;
constexpr std::chrono::seconds kPingLimit{5};
constexpr std::size_t kMostReply = 8U * 1024U * 1024U;  // /info and /containers/json of large hosts

}  // namespace

std::optional<std::string> agreed_api_version(std::string_view daemon) {
    constexpr std::string_view kMajor = "1.";
    int minor = 0;
    if (!daemon.starts_with(kMajor)) {
        return std::nullopt;
    }
    daemon.remove_prefix(kMajor.size());
    const auto [end, code] = std::from_chars(daemon.data(), daemon.data() + daemon.size(), minor);
    if (code != std::errc{} || end != daemon.data() + daemon.size() || minor < kLeastMinor) {
        return std::nullopt;
    }
    return fmt::format("1.{}", std::min(minor, kMostMinor));
}

std::string docker_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

const Json& DockerReply::body() const {
    static const Json kNothing;
    return json ? *json : kNothing;
}

std::string DockerReply::message() const {
    return text_at(body(), "message");
}

DockerApi::DockerApi(Clock& clock, std::string socket)
    : clock_{clock}, socket_{std::move(socket)} {}

std::unexpected<Error> DockerApi::unavailable(const Error& why) {
    version_.reset();  // who comes back may be another one
    if (why.code == ErrorCode::cancelled || why.code == ErrorCode::invalid_argument) {
        return fail(why);
    }
    return fail(docker_unavailable(socket_, why));
}

Task<Result<DockerVersion>> DockerApi::version() {
    if (version_) {
        co_return *version_;
    }
    net::FetchRequest request{.endpoint = {.host = "unix:" + socket_}, .target = "/_ping"};
    request.deadline = Deadline::in(clock_, kPingLimit);
    const auto answer = co_await net::fetch(clock_, std::move(request));
    if (!answer) {
        co_return unavailable(answer.error());
    }
    const std::string told{answer->header("Api-Version")};
    const auto agreed = agreed_api_version(told);
    if (answer->status != 200 || !agreed) {
        co_return fail(Error{
            .code = ErrorCode::unsupported,
            .message = told.empty()
                           ? fmt::format("What answers at {} is no Docker.", socket_)
                           : fmt::format("The Docker at {} is too old: API {}.", socket_, told),
            .word = "docker_version",
            .remedy = "nova needs API 1.41 (Docker 20.10, Podman 4) or newer.",
        });
    }
    version_ =
        DockerVersion{.api = *agreed, .podman = !answer->header("Libpod-API-Version").empty()};
    co_return *version_;
}

Task<Result<net::OpenAnswer>> DockerApi::open(DockerCall call) {
    const auto version = co_await this->version();
    if (!version) {
        co_return propagate(version);
    }
    net::FetchRequest request{.endpoint = {.host = "unix:" + socket_}};
    request.method = call.method;
    request.target = fmt::format("/v{}{}", version->api, call.path);
    char join = '?';
    for (const auto& [name, value] : call.query) {
        request.target += fmt::format("{}{}={}", join, name, docker_escaped(value));
        join = '&';
    }
    if (!call.body.empty()) {
        request.headers.emplace_back("Content-Type", "application/json");
        request.body = std::move(call.body);
    }
    request.deadline = Deadline::in(clock_, call.limit);
    auto answer = co_await net::fetch_open(clock_, std::move(request));
    if (!answer) {
        co_return unavailable(answer.error());
    }
    co_return answer;
}

Task<Result<DockerReply>> DockerApi::refusal(net::OpenAnswer answer) {
    std::string text;
    while (true) {
        const auto piece = co_await answer.connection->read_body_some();
        if (!piece) {
            co_return unavailable(piece.error());
        }
        if (piece->empty()) {
            break;
        }
        if (text.size() + piece->size() > kMostReply) {
            co_return fail(ErrorCode::upstream_failed, "An answer of Docker is too large.");
        }
        text += *piece;
    }
    DockerReply reply{.status = answer.status};
    if (const auto value = parse_json(text, "Docker's answer")) {
        reply.json = std::make_shared<const Json>(*value);
    } else if (!text.empty() && !reply.ok()) {
        reply.json = std::make_shared<const Json>(Json{{"message", text}});
    } else if (!text.empty() && answer.header("Content-Type").starts_with("application/json")) {
        co_return fail(ErrorCode::upstream_failed, "Docker's answer is not valid JSON.");
    }
    co_return reply;
}

Task<Result<DockerReply>> DockerApi::call(DockerCall call) {
    // The deadline of the head goes on to hold for the body.
    auto answer = co_await open(std::move(call));
    if (!answer) {
        co_return propagate(answer);
    }
    co_return co_await refusal(*std::move(answer));
}

}  // namespace nova::runtime

// Finding the daemon through its data directory, and speaking its API.
#include "app/control_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "app/commands_blocking.hpp"
#include "config/boot_config.hpp"
#include "core/text.hpp"
#include "store/data_directory.hpp"
#include "store/files.hpp"

namespace nova::app {
namespace {

constexpr std::string_view kBase = "/recovery-api/api/v1/recovery";
constexpr std::chrono::seconds kCallLimit{60};  // detection asks several tools, 5 s each
constexpr std::chrono::hours kStreamLimit{24 * 365};

Error not_running(const std::string& data_dir) {
    return Error{
        .code = ErrorCode::unavailable,
        .message = fmt::format("nova is not running with the data directory {}.", data_dir),
        .word = "not_running",
        .remedy = "Start it with: nova up"
    };
}

constexpr std::size_t kSmallFile = std::size_t{64} * 1024;

// The lock is the truth: the kernel frees it however its holder dies, while a pid in a file may
// be somebody else's by now. Shared and given back at once: a nova that starts in this very moment
// would be told that the folder is in use, so this is asked only when a runtime.json lies there.
bool lock_is_held(const std::string& data_dir) {
    const int lock = ::open((data_dir + "/lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) {
        return false;
    }
    const bool held = ::flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(lock);
    return held;
}

bool is_loopback_name(const std::string& host) {
    return host == "localhost" || config::is_loopback({.host = host, .port = 0, .tls = false});
}

Result<Secret> find_secret(
    const ClientOptions& options, const config::Environment& environment,
    const std::string& data_dir
) {
    if (!options.admin_secret_file.empty()) {
        auto text = store::read_small_file(options.admin_secret_file, kSmallFile);
        if (!text) {
            return propagate(text);
        }
        while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) {
            text->pop_back();
        }
        return Secret{std::move(*text)};
    }
    if (auto text = config::value_of(environment, "NOVA_ADMIN_SECRET")) {
        return Secret{std::move(*text)};
    }
    if (data_dir.empty()) {
        return fail(
            ErrorCode::unauthorized, "The admin secret of that nova is not known here.",
            "Give it by --admin-secret-file FILE or NOVA_ADMIN_SECRET."
        );
    }
    return store::read_admin_secret(data_dir);
}

// A daemon that ended, or died, between our reading its address and asking it.
Error unreachable(const Endpoint& control, const Error& cause) {
    Error error = cause;
    if (cause.code == ErrorCode::unavailable) {
        error.message =
            fmt::format("nova does not answer on {}: {}", control.text(), cause.message);
        error.word = "not_reachable";
        error.remedy = "Start it with: nova up";
    }
    return error;
}

}  // namespace

Result<std::string>
data_dir_of(const ClientOptions& options, const config::Environment& environment) {
    if (!options.data_dir.empty()) {
        return std::filesystem::absolute(options.data_dir).lexically_normal().string();
    }
    const auto path = config::default_data_dir(environment);
    if (!path) {
        return propagate(path);
    }
    return path->string();
}

Result<Endpoint> client_endpoint(std::string_view text) {
    const std::string full =
        text.starts_with("http") ? std::string{text} : fmt::format("http://{}", text);
    auto url = net::parse_url(full);
    if (!url) {
        return propagate(url);
    }
    boost::system::error_code code;
    const auto address = boost::asio::ip::make_address(url->endpoint.host, code);
    if (!code && address.is_unspecified()) {
        url->endpoint.host = address.is_v6() ? "::1" : "127.0.0.1";
    }
    return url->endpoint;
}

Result<RunningNova> read_running_nova(const std::string& data_dir) {
    const std::string path = data_dir + "/runtime.json";
    const auto text = store::read_small_file(path, kSmallFile);
    if (!text) {
        return std::unexpected<Error>{not_running(data_dir)};
    }
    const auto value = parse_json(*text, path);
    if (!value) {
        return propagate(value);
    }
    JsonReader reader{*value, "runtime.json"};
    RunningNova nova;
    nova.pid = reader.required_integer("pid");
    nova.start_ticks = static_cast<std::uint64_t>(reader.integer("start_ticks").value_or(0));
    const std::string gateway = reader.required_text("gateway");
    const std::string control = reader.required_text("control");
    nova.version = reader.text("version").value_or("");
    nova.gateway_key = Secret{reader.text("gateway_key").value_or("")};
    if (reader.error()) {
        return fail(
            ErrorCode::corrupt, reader.error()->message, "Restart nova: nova down, nova up"
        );
    }
    // While a nova starts, the file may still be that of one that was killed.
    const auto holder = store::read_small_file(data_dir + "/lock", kSmallFile);
    if (!lock_is_held(data_dir) || !holder || trimmed(*holder) != std::to_string(nova.pid)) {
        return std::unexpected<Error>{not_running(data_dir)};
    }
    auto gateway_at = client_endpoint(gateway);
    auto control_at = client_endpoint(control);
    if (!gateway_at || !control_at) {
        return propagate(gateway_at ? control_at : gateway_at, path);
    }
    nova.gateway = std::move(*gateway_at);
    nova.control = std::move(*control_at);
    return nova;
}

Secret key_for_gateway(
    const ClientOptions& options, const config::Environment& environment, const Endpoint& gateway
) {
    if (auto key = config::value_of(environment, "NOVA_API_KEY")) {
        return Secret{std::move(*key)};
    }
    const auto data_dir = data_dir_of(options, environment);
    const auto nova = data_dir ? read_running_nova(*data_dir) : propagate(data_dir);
    return nova && nova->gateway == gateway ? nova->gateway_key : Secret{};
}

Result<ControlClient>
ControlClient::open(const ClientOptions& options, const config::Environment& environment) {
    ControlClient client;
    client.base_ = kBase;
    std::string url = options.url;
    if (url.empty() && options.data_dir.empty()) {
        url = config::value_of(environment, "NOVA_URL").value_or("");
    }
    std::string data_dir;
    if (url.empty()) {
        auto found = data_dir_of(options, environment);
        if (!found) {
            return propagate(found);
        }
        data_dir = std::move(*found);
        auto running = read_running_nova(data_dir);
        if (!running) {
            return propagate(running);
        }
        client.control_ = running->control;
        client.running_ = std::move(*running);
    } else {
        auto endpoint = client_endpoint(url);
        if (!endpoint) {
            return propagate(endpoint);
        }
        if (!endpoint->tls && !is_loopback_name(endpoint->host) && !options.insecure) {
            return fail(
                ErrorCode::invalid_argument, "The admin secret would cross the network in clear.",
                "Use https, or say --insecure if the network is yours."
            );
        }
        client.control_ = std::move(*endpoint);
        if (!options.data_dir.empty()) {
            data_dir = options.data_dir;
        } else if (auto found = data_dir_of(options, environment);
                   found && is_loopback_name(client.control_.host)) {
            data_dir = std::move(*found);
        }
    }
    auto secret = find_secret(options, environment, data_dir);
    if (!secret) {
        return propagate(secret);
    }
    client.secret_ = std::move(*secret);
    return client;
}

net::FetchRequest ControlClient::request(std::string method, std::string path) const {
    net::FetchRequest request;
    request.endpoint = control_;
    request.method = std::move(method);
    request.target = base_ + path;
    request.headers = {
        {"X-Admin-Secret", secret_.reveal()},
        {"X-Nova-Client", "cli"},
        {"Content-Type", "application/json"},
    };
    return request;
}

Result<net::FetchResponse>
ControlClient::call(std::string method, std::string path, std::string body) {
    SystemClock clock;
    net::FetchRequest wanted = request(std::move(method), std::move(path));
    wanted.body = std::move(body);
    wanted.deadline = Deadline::in(clock, kCallLimit);
    std::optional<net::TlsClient> tls;
    net::TlsClient* tls_client = control_.tls ? &tls.emplace() : nullptr;
    auto response = run_blocking<Result<net::FetchResponse>>([&] {
        return net::fetch(clock, std::move(wanted), tls_client);
    });
    if (!response) {
        return std::unexpected<Error>{unreachable(control_, response.error())};
    }
    if (response->status < 200 || response->status > 299) {
        return std::unexpected<Error>{error_of_answer(response->status, response->body)};
    }
    return response;
}

Result<Json> ControlClient::get(std::string path) {
    const auto response = call("GET", std::move(path), {});
    return response ? parse_json(response->body, "The answer") : propagate(response);
}

Result<Json> ControlClient::post(std::string path, std::string body) {
    const auto response = call("POST", std::move(path), std::move(body));
    return response ? parse_json(response->body, "The answer") : propagate(response);
}

Result<Json> ControlClient::remove(std::string path) {
    const auto response = call("DELETE", std::move(path), {});
    return response ? parse_json(response->body, "The answer") : propagate(response);
}

Result<Json> ControlClient::send(std::string method, std::string path, std::string body) {
    const auto response = call(std::move(method), std::move(path), std::move(body));
    return response ? parse_json(response->body, "The answer") : propagate(response);
}

Result<std::string> ControlClient::get_text(std::string path) {
    auto response = call("GET", std::move(path), {});
    return response ? Result<std::string>{std::move(response->body)} : propagate(response);
}

Result<void>
ControlClient::stream(std::string path, std::function<bool(std::string_view)> on_data) {
    SystemClock clock;
    net::FetchRequest wanted = request("GET", std::move(path));
    wanted.deadline = Deadline::in(clock, kStreamLimit);
    bool ended_here = false;
    StreamedAnswer answer;
    net::StreamSink sink = answer.sink([&](std::string_view bytes) {
        ended_here = !on_data(bytes);
        return !ended_here;
    });
    std::optional<net::TlsClient> tls;
    net::TlsClient* tls_client = control_.tls ? &tls.emplace() : nullptr;
    const auto done = run_blocking<Result<int>>([&] {
        return net::fetch_stream(clock, std::move(wanted), std::move(sink), tls_client);
    });
    if (ended_here) {
        return {};
    }
    if (!done) {
        return std::unexpected<Error>{unreachable(control_, done.error())};
    }
    return *done == 200 ? Result<void>{}
                        : std::unexpected<Error>{error_of_answer(*done, answer.refusal)};
}

net::StreamSink StreamedAnswer::sink(std::function<bool(std::string_view)> on_data) {
    return {
        .on_head =
            [this](int code) {
                status = code;
                return true;
            },
        .on_data =
            [this, on_data = std::move(on_data)](std::string_view bytes) {
                if (status != 200) {
                    refusal += bytes;
                    return true;
                }
                return on_data(bytes);
            },
    };
}

Error error_of_answer(int status, std::string_view body) {
    Error error{.code = ErrorCode::upstream_failed, .message = fmt::format("HTTP {}.", status)};
    // Several codes share a status; the first of them is the plain one.
    constexpr std::array kByStatus{
        ErrorCode::invalid_argument, ErrorCode::unauthorized, ErrorCode::forbidden,
        ErrorCode::not_found,        ErrorCode::conflict,     ErrorCode::too_large,
        ErrorCode::unprocessable,    ErrorCode::rate_limited, ErrorCode::runtime_failed,
        ErrorCode::timeout,          ErrorCode::internal,
    };
    const auto by_status = std::ranges::find(kByStatus, status, [](ErrorCode code) {
        return policy(code).http_status;
    });
    if (by_status != kByStatus.end()) {
        error.code = *by_status;
    }
    const auto value = parse_json(body, "The answer");
    if (!value || !value->is_object()) {
        return error;
    }
    const Json* told = &*value;
    const auto inner = value->find("error");  // the gateway's shape
    if (inner != value->end() && inner->is_object()) {
        told = &*inner;
    } else if (inner != value->end() && inner->is_string()) {
        error.message = inner->get<std::string>();  // Ollama's
    }
    JsonReader reader{*told, "error"};
    const auto sentence = reader.text(told == &*value ? "detail" : "message");
    error.message = sentence.value_or(error.message);
    error.remedy = reader.text("remedy").value_or("");
    error.word = reader.text("code").value_or("");
    if (const auto code = error_code_from(error.word)) {
        error.code = *code;
        error.word.clear();
    }
    return error;
}

}  // namespace nova::app

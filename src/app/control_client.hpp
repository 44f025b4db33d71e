// The command line's way to a running nova: finds it, knows its secret, asks it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "config/environment.hpp"
#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "net/http_client.hpp"

namespace nova::app {

// What every client command takes.
struct ClientOptions {
    std::string data_dir;           // --data-dir; empty: by the environment
    std::string url;                // --url of the control listener; wins over the data directory
    std::string admin_secret_file;  // --admin-secret-file
    bool insecure = false;          // --insecure: http to another machine
    bool json = false;
};

// DIR/runtime.json, written by the daemon once it listens.
struct RunningNova {
    std::int64_t pid = 0;
    std::uint64_t start_ticks = 0;  // as in process::ProcessIdentity
    Endpoint gateway;
    Endpoint control;
    std::string version;
    Secret gateway_key;  // of nova's own parts
};

Result<std::string>
data_dir_of(const ClientOptions& options, const config::Environment& environment);

// Errors: unavailable (no daemon: the file is missing or its process is gone), corrupt.
Result<RunningNova> read_running_nova(const std::string& data_dir);

// What the command line shows a gateway: NOVA_API_KEY, else the key of the nova of its data
// directory when the gateway is that nova's. Empty: none.
Secret key_for_gateway(
    const ClientOptions& options, const config::Environment& environment, const Endpoint& gateway
);

// "127.0.0.1:8001" or "http://127.0.0.1:8001"; a wildcard address becomes its loopback one, which
// is where a client of the same machine finds it.
Result<Endpoint> client_endpoint(std::string_view text);

// Blocking: each call runs an executor of its own until the answer is there.
class ControlClient {
public:
    // Errors: unavailable with the remedy "nova up", unauthorized, invalid_argument.
    static Result<ControlClient>
    open(const ClientOptions& options, const config::Environment& environment);

    // JSON of a 2xx answer; anything else is the error the answer tells.
    // path is below the API's base: "/inference/backend".
    Result<Json> get(std::string path);
    Result<Json> post(std::string path, std::string body = {});
    Result<Json> remove(std::string path);
    // Any other method with a JSON body: PUT, PATCH.
    Result<Json> send(std::string method, std::string path, std::string body);
    Result<std::string> get_text(std::string path);
    // Hands over the body as it comes; on_data returns false to end.
    Result<void> stream(std::string path, std::function<bool(std::string_view)> on_data);

    const std::optional<RunningNova>& running() const { return running_; }

    const Endpoint& control() const { return control_; }

private:
    ControlClient() = default;
    Result<net::FetchResponse> call(std::string method, std::string path, std::string body);
    net::FetchRequest request(std::string method, std::string path) const;

    Endpoint control_;
    std::string base_;
    Secret secret_;
    std::optional<RunningNova> running_;
};

// What comes of a streamed answer. Outlives its sink.
struct StreamedAnswer {
    int status = 0;
    std::string refusal{};  // the body of anything but a 200

    // Hands over the body of a 200 as it comes; on_data returns false to end.
    net::StreamSink sink(std::function<bool(std::string_view)> on_data);
};

// The error an answer tells: control's {"detail", "code"} or the gateway's {"error": {…}}.
Error error_of_answer(int status, std::string_view body);

}  // namespace nova::app

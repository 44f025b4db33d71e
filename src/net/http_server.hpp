// The HTTP/1.1 server: listener, sessions, limits and time-outs; handlers see an Exchange.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/deadline.hpp"
#include "core/log.hpp"
#include "core/task_group.hpp"
#include "net/body_budget.hpp"
#include "net/exchange.hpp"
#include "net/route_table.hpp"

namespace nova::net {

struct ServerLimits {
    HeadLimits head{};
    std::size_t body_bytes = 32U * 1024U * 1024U;  // house.md 5: vision requests are large
    std::size_t connections = 16'384;
    std::chrono::seconds head_timeout{10};    // from the first byte of a head to its last
    std::chrono::seconds idle_timeout{75};    // keep-alive between requests
    std::chrono::seconds body_timeout{60};    // without any body byte
    std::chrono::seconds write_timeout{300};  // without the client taking a byte
    // Of all bodies held at a time; null: no limit.
    std::shared_ptr<BodyBudget> body_budget{};
};

// How an error becomes a response body: the OpenAI shape on the gateway, {"detail"…} on control.
using ErrorRenderer = std::string (*)(const Error&);
// Runs before routing: Host, Origin and similar rules. An error is answered and ends the request.
using Admission = std::function<std::optional<Error>(const RequestHead&, const Peer&)>;

enum class PortSharing { exclusive, reuse_port };  // reuse_port: one listener per worker

class HttpServer {
public:
    // routes and log must outlive the server. All members on the executor's thread.
    HttpServer(
        asio::any_io_executor executor, Clock& clock, Log& log, const RouteTable& routes,
        ServerLimits limits, ErrorRenderer render_error, Admission admission
    );
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();

    // Binds and listens; port 0 takes a free one. Returns the bound address.
    // Error: precondition, naming the port, when it is in use; invalid_argument for a bad address.
    Result<Endpoint> listen(const Endpoint& at, PortSharing sharing);
    // Accepts until stop(). Spawn it in a TaskGroup.
    Task<void> run();
    // No new connections; idle ones are closed; running requests go on and end their connection.
    void stop();
    // Waits for the sessions; after the deadline they are cut.
    Task<void> finish(Deadline deadline);
    std::size_t connections() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// decisions.md 2.2: a second bind of the same user with SO_REUSEPORT would succeed unseen. Binds
// without it, closes again. Error: precondition, naming the port.
Result<void> probe_bind(const Endpoint& at);

}  // namespace nova::net

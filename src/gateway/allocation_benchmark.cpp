// Proves that a relayed chunk costs no allocation in a gateway as users run it: API keys, metrics,
// the usage tap and the queue to the ledger are on. Counts malloc and its kin while chunks go from
// an upstream's socket through a worker to a client's, in one run() of the loop as in a worker.
// Built without sanitizers: they have their own malloc and larger coroutine frames.
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <arpa/inet.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/allocation_counter.hpp"
#include "core/task_group.hpp"
#include "gateway/api_keys.hpp"
#include "gateway/front_door.hpp"
#include "gateway/request_tap.hpp"
#include "gateway/worker.hpp"
#include "net/socket_address.hpp"

namespace nova::gateway {
namespace {

constexpr int kWarmUp = 200;
constexpr int kChunks = 2000;

struct Deaf final : GatewayEvents {
    void connect_refused(const UpstreamId&) override {}
};

std::string framed(std::string_view data) {
    return fmt::format("{:x}\r\n{}\r\n", data.size(), data);
}

std::string content_event() {
    return "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,"
           "\"model\":\"theirs\",\"choices\":[{\"index\":0,\"finish_reason\":null,"
           "\"delta\":{\"content\":\" token\"}}]}\n\n";
}

std::string stream_end() {
    return framed("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}"
                  "\n\n") +
           framed("data: [DONE]\n\n") + "0\r\n\r\n";
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

void send_text(const net::Descriptor& to, std::string_view text) {
    const ssize_t sent = ::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL);
    NOVA_CHECK(sent == static_cast<ssize_t>(text.size()));
}

// What has come; the buffer is the caller's, because a string would be an allocation.
std::string_view receive_some(const net::Descriptor& from, std::span<char> buffer) {
    const ssize_t size = ::recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

net::Descriptor tcp_socket() {
    return net::Descriptor{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
}

// An upstream and a client of plain sockets, driven from the worker's own loop.
struct World {
    World() {
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        NOVA_CHECK(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        NOVA_CHECK(::listen(listener.get(), 4) == 0);
        ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
        upstream_port = ntohs(address.sin_port);
    }

    void connect(std::uint16_t gateway) const {
        const sockaddr_in address = loopback(gateway);
        const auto* const to = reinterpret_cast<const sockaddr*>(&address);
        NOVA_CHECK(::connect(client.get(), to, sizeof address) == 0);
    }

    void accept() {
        server.emplace(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        NOVA_CHECK(server->get() >= 0);
    }

    net::Descriptor listener = tcp_socket();
    net::Descriptor client = tcp_socket();
    std::optional<net::Descriptor> server{};
    std::uint16_t upstream_port = 0;
};

// Sends the next piece when the one before has arrived.
struct Driver {
    void next() {
        asio::post(io, [this] { step(); });
    }

    void step() {
        const std::string_view came = receive_some(world.client, buffer);
        if (sent > 0 && came.empty()) {
            next();
            return;
        }
        arrived += came.size();
        counting = sent >= kWarmUp && sent < kWarmUp + kChunks;
        if (sent < kWarmUp + kChunks) {
            ++sent;
            send_text(*world.server, chunk);
            next();
            return;
        }
        if (sent == kWarmUp + kChunks) {
            ++sent;
            send_text(*world.server, stream_end());
        }
        if (came.ends_with("0\r\n\r\n")) {
            done();
            return;
        }
        next();
    }

    asio::io_context& io;
    World& world;
    std::string_view chunk;
    std::function<void()> done;
    int sent = 0;
    std::size_t arrived = 0;
    std::array<char, 65536> buffer{};
};

struct Variant {
    const char* name;
    bool ask_for_usage;  // and drop it from what the client sees
    bool rename;         // the provider knows the model by another name
    int events;          // in one piece
};

RoutingTable table_of(const Variant& variant, std::uint16_t port) {
    auto upstream = std::make_shared<Upstream>();
    upstream->id = UpstreamId{"local/1"};
    upstream->provider = "vllm";
    upstream->endpoint = Endpoint{.host = "127.0.0.1", .port = port};
    upstream->models = {"theirs"};
    upstream->options.include_usage = variant.ask_for_usage;
    upstream->meters = std::make_shared<UpstreamMeters>(1);
    RoutingTable table;
    table.wanted_provider = "vllm";
    table.known_models = upstream->models;
    table.local = std::move(upstream);
    table.aliases.push_back({.name = "ours", .provider = {}, .model = "theirs"});
    return table;
}

std::string request_of(const Variant& variant, const NewKey& key) {
    const std::string body = fmt::format(
        R"({{"model":"{}","stream":true,"messages":[{{"role":"user","content":"hello"}}]}})",
        variant.rename ? "ours" : "theirs"
    );
    return fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        key.text.reveal(), body.size(), body
    );
}

std::shared_ptr<const KeyTable> table_with(const NewKey& key) {
    auto access = std::make_shared<Access>();
    access->key_id = key.id;
    access->key_name = "benchmark";
    const KeyLimits limits{.requests_per_minute = 600, .tokens_per_minute = 1'000'000};
    std::vector<ApiKey> keys;
    keys.push_back({
        .access = std::move(access),
        .hash = key.hash,
        .meter = std::make_shared<KeyMeter>(limits),
    });
    return std::make_shared<const KeyTable>(std::move(keys));
}

// The request must have been billed, or what is measured is not what is claimed.
void check_bill(RequestTap& tap, const Metrics& metrics, const NewKey& key) {
    const EndedRequest* const row = tap.queue().front();
    NOVA_CHECK(row != nullptr && row->status == 200 && row->end == RequestEnd::served);
    NOVA_CHECK(row->key_id.view() == key.id);
    NOVA_CHECK(row->usage.prompt == 7U && row->usage.completion == 9U);
    int series = 0;
    metrics.of_worker.front().models().each([&series](std::uint32_t, const ModelSeries& one) {
        series += one.output.sum() == 9 ? 1 : 0;
    });
    NOVA_CHECK(series == 1);
}

// Returns the allocations that kChunks pieces took.
long measure(const Variant& variant) {
    asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    SystemClock clock;
    Log log{Log::Sink::none, LogLevel::error};
    World world;
    Metrics metrics{1, clock.wall_now()};
    RequestTap tap{metrics, 0, [] {}};
    KeyDesk desk;
    const NewKey key = make_key("bench");
    KeyGatekeeper gatekeeper{desk, clock, Loopback::closed};
    gatekeeper.install(table_with(key));
    FrontDoor door{
        [](const net::RequestHead&, const net::Peer&) { return std::optional<Error>{}; },
        gatekeeper, tap, clock, Loopback::closed
    };
    Deaf events;
    AllCounters counters(1);
    Worker worker{
        io.get_executor(),
        clock,
        log,
        GatewayPolicy{},
        [&door](const net::RequestHead& head, const net::Peer& peer) {
            return door.admit(head, peer);
        },
        events,
        counters,
        0,
        WorkerPorts{.gatekeeper = &gatekeeper, .observer = &tap}
    };
    const RoutingTable table = table_of(variant, world.upstream_port);
    metrics.names.learn(table);
    worker.install(std::make_shared<const RoutingTable>(table));
    const auto gateway = worker.listen({.host = "127.0.0.1"});
    NOVA_CHECK(gateway.has_value());
    TaskGroup tasks{io.get_executor()};
    tasks.spawn("worker", worker.run());
    std::string chunk;
    for (int i = 0; i < variant.events; ++i) {
        chunk += framed(content_event());
    }
    const auto stop = [&] {
        worker.stop();
        tasks.spawn("finish", worker.finish(Deadline::in(clock, std::chrono::seconds{1})));
    };
    Driver driver{.io = io, .world = world, .chunk = chunk, .done = stop};
    world.connect(gateway->port);
    send_text(world.client, request_of(variant, key));
    // The worker accepts, asks for the key, and dials; then the upstream has its request.
    while (counters.front().active_relays.load() == 0) {
        io.run_one();
    }
    world.accept();
    std::size_t asked = 0;
    while (asked == 0) {
        io.poll();
        asked = receive_some(*world.server, driver.buffer).size();
    }
    send_text(
        *world.server,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    driver.next();
    io.run();
    NOVA_CHECK(tasks.running() == 0);
    NOVA_CHECK(driver.arrived > static_cast<std::size_t>(kChunks) * content_event().size());
    check_bill(tap, metrics, key);
    return std::exchange(allocations, 0);
}

}  // namespace
}  // namespace nova::gateway

int main() {
    stop_at_allocation = std::getenv("STOP_AT_ALLOCATION") != nullptr;
    using nova::gateway::Variant;
    constexpr std::array kVariants{
        Variant{"as it comes", false, false, 1},
        Variant{"as it comes, three events at a time", false, false, 3},
        Variant{"usage asked for and left out", true, false, 1},
        Variant{"another name for the model", false, true, 1},
    };
    bool good = true;
    for (const Variant& variant : kVariants) {
        const long count = nova::gateway::measure(variant);
        std::printf("%s: %ld allocations in 2000 pieces\n", variant.name, count);
        good = good && count == 0;
    }
    return good ? 0 : 1;
}

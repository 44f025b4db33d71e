// For tests: a real worker between real clients and a scripted upstream, in one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gateway/breaker.hpp"
#include "gateway/gateway_tables.hpp"
#include "gateway/gateway_witness.hpp"
#include "gateway/worker.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"

namespace nova::gateway::testing {

using namespace std::chrono_literals;

// A condition under load, not a measurement.
constexpr auto kPatience = 20s;

// Upstream number n has the id local/n and the base path /n/v1.
class GatewayFixture : public ::testing::Test, protected TestTables {
protected:
    explicit GatewayFixture(GatewayPolicy policy = {}, Gatekeeper* gatekeeper = nullptr)
        : GatewayFixture{
              std::move(policy),
              WorkerPorts{.gatekeeper = gatekeeper, .observer = &heard_, .breakers = &breakers_}
          } {}

    GatewayFixture(GatewayPolicy policy, WorkerPorts ports)
        : counters_(1),
          worker_{io_.get_executor(), clock_, log_, policy, &admit_all, told_, counters_, 0, ports},
          upstream_{io_.get_executor(),  clock_,       log_,      routes_,
                    net::ServerLimits{}, &plain_error, &admit_all},
          tasks_{io_.get_executor()} {}

    void SetUp() override {
        for (const std::string_view path :
             {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses",
              "/v1/messages", "/api/chat", "/api/generate", "/api/embed"}) {
            routes_.add(
                "POST", fmt::format("/{{number}}{}", path),
                [this](net::Exchange& exchange) { return answer_(exchange); }
            );
        }
        behind_ = upstream_.listen({.host = "127.0.0.1"}, net::PortSharing::exclusive).value();
        gateway_ = worker_.listen({.host = "127.0.0.1"}).value();
        tasks_.spawn("upstream", upstream_.run());
        tasks_.spawn("worker", worker_.run());
    }

    void TearDown() override {
        worker_.stop();
        upstream_.stop();
        run([&]() -> Task<void> {
            co_await worker_.finish(Deadline::in(clock_, 1s));
            co_await upstream_.finish(Deadline::in(clock_, 1s));
            tasks_.cancel();
            co_await tasks_.join();
        });
        EXPECT_EQ(counters_.at(0).inflight.load(), 0);
        EXPECT_EQ(counters_.at(0).active_relays.load(), 0);
        EXPECT_EQ(counters_.at(0).waiting.load(), 0);
        EXPECT_EQ(counters_.at(0).looking.load(), 0);
    }

    static std::optional<Error> admit_all(const net::RequestHead&, const net::Peer&) {
        return std::nullopt;
    }

    static std::string plain_error(const Error& error) { return error.message; }

    void install(RoutingTable table) {
        worker_.install(std::make_shared<const RoutingTable>(std::move(table)));
    }

    void run(std::function<Task<void>()> body) {
        bool done = false;
        auto whole = [&]() -> Task<void> {
            co_await body();
            done = true;
        };
        asio::co_spawn(io_, whole, [](std::exception_ptr exception) {
            if (exception) {
                std::rethrow_exception(exception);
            }
        });
        io_.restart();
        const TimePoint end = clock_.now() + 2 * kPatience;
        while (!done && clock_.now() < end) {
            io_.run_one_for(1s);
        }
        ASSERT_TRUE(done) << "the test's coroutine did not finish";
    }

    // Until it holds; other coroutines run meanwhile.
    Task<bool> until(std::function<bool()> holds) {
        const TimePoint end = clock_.now() + kPatience;
        while (!holds() && clock_.now() < end) {
            co_await clock_.sleep_for(1ms);
        }
        co_return holds();
    }

    // Lets whatever is ready run, a few times over.
    static Task<void> settle() {
        for (int turn = 0; turn < 50; ++turn) {
            co_await asio::post(asio::use_awaitable);
        }
    }

    net::FetchRequest chat(std::string_view prefer = {}, std::string_view mark = "hi") const {
        net::FetchRequest request;
        request.endpoint = gateway_;
        request.method = "POST";
        request.target = "/v1/chat/completions";
        request.headers = {{"Content-Type", "application/json"}};
        if (!prefer.empty()) {
            request.headers.emplace_back("Prefer", std::string{prefer});
        }
        request.body = fmt::format(R"({{"model":"m","mark":"{}"}})", mark);
        request.deadline = Deadline::in(clock_, kPatience);
        return request;
    }

    Task<net::FetchResponse> ask(net::FetchRequest request) {
        auto response = co_await net::fetch(clock_, std::move(request));
        EXPECT_TRUE(response) << response.error().message;
        co_return response ? *std::move(response) : net::FetchResponse{};
    }

    // A client of its own whose answer is looked at later.
    std::shared_ptr<std::optional<net::FetchResponse>> ask_aside(net::FetchRequest request) {
        auto answer = std::make_shared<std::optional<net::FetchResponse>>();
        auto body = [](GatewayFixture& self, net::FetchRequest what,
                       std::shared_ptr<std::optional<net::FetchResponse>> into) -> Task<void> {
            *into = co_await self.ask(std::move(what));
        };
        tasks_.spawn("client", body(*this, std::move(request), answer));
        return answer;
    }

    std::int64_t waiting() const { return counters_.at(0).waiting.load(); }

    asio::io_context io_{1};
    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::debug};
    Told told_;
    Listening heard_;
    BreakerBoard breakers_;
    AllCounters counters_;
    Worker worker_;
    net::Handler answer_ = [](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        (void)co_await exchange.respond(200, "application/json", exchange.parameter("number"));
    };
    net::RouteTable routes_;
    net::HttpServer upstream_;
    TaskGroup tasks_;
    Endpoint gateway_;
};

}  // namespace nova::gateway::testing

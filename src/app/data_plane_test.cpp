// The control thread's view of real worker threads.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/data_plane.hpp"
#include "net/http_client.hpp"

namespace nova::app {
namespace {

using namespace std::chrono_literals;

std::optional<Error> admit_all(const net::RequestHead& /*head*/, const net::Peer& /*peer*/) {
    return std::nullopt;
}

class DataPlaneTest : public ::testing::Test {
protected:
    DataPlaneTest()
        : plane_{io_.get_executor(), clock_, log_,
                 {.workers = 3,
                  .policy = {},
                  .admission = &admit_all,
                  .on_refused = [this](const UpstreamId& id) { refused_.push_back(id); }}},
          upstream_{io_.get_executor(), clock_,
                    log_,               routes_,
                    net::ServerLimits{}, [](const Error& e) { return e.message; },
                    &admit_all},
          tasks_{io_.get_executor()} {}

    // Runs the body on the control thread, then stops everything in order.
    void run(std::function<Task<void>()> body) {
        bool done = false;
        auto whole = [&]() -> Task<void> {
            gateway_ = plane_.listen({.host = "127.0.0.1"}).value();
            behind_ = upstream_.listen({.host = "127.0.0.1"}, net::PortSharing::exclusive).value();
            tasks_.spawn("upstream", upstream_.run());
            plane_.start();
            co_await body();
            upstream_.stop();
            co_await plane_.stop(Deadline::in(clock_, 2s));
            co_await upstream_.finish(Deadline::in(clock_, 1s));
            tasks_.cancel();
            co_await tasks_.join();
            done = true;
        };
        asio::co_spawn(io_, whole, [](std::exception_ptr e) {
            if (e) {
                std::rethrow_exception(e);
            }
        });
        io_.run_for(30s);
        ASSERT_TRUE(done);
    }

    std::shared_ptr<const gateway::RoutingTable> table(const std::string& id) {
        auto upstream = std::make_shared<gateway::Upstream>();
        upstream->id = UpstreamId{id};
        upstream->provider = "llamacpp";
        upstream->endpoint = behind_;
        upstream->models = {"m"};
        auto value = std::make_shared<gateway::RoutingTable>();
        value->local = std::move(upstream);
        return value;
    }

    net::FetchRequest chat() {
        net::FetchRequest request;
        request.endpoint = gateway_;
        request.method = "POST";
        request.target = "/v1/chat/completions";
        request.body = R"({"model":"m"})";
        request.deadline = Deadline::in(clock_, 10s);
        return request;
    }

    asio::io_context io_{1};
    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::debug};
    std::vector<UpstreamId> refused_;
    DataPlane plane_;
    net::RouteTable routes_;
    net::HttpServer upstream_;
    TaskGroup tasks_;
    Endpoint gateway_;
    Endpoint behind_;
};

TEST_F(DataPlaneTest, AfterPublishEveryWorkerRoutesByTheNewTable) {
    routes_.add("POST", "/v1/chat/completions", [](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        (void)co_await exchange.respond(200, "text/plain", "x");
    });
    run([&]() -> Task<void> {
        // Fresh connections land on any of the workers: none of them may lag behind.
        for (int round = 0; round < 10; ++round) {
            co_await plane_.publish(table("local/" + std::to_string(round)));
            for (int i = 0; i < 6; ++i) {
                const auto open = co_await net::fetch(clock_, chat());
                EXPECT_EQ(open->status, 200) << round;
            }
            co_await plane_.publish(std::make_shared<const gateway::RoutingTable>());
            for (int i = 0; i < 6; ++i) {
                const auto closed = co_await net::fetch(clock_, chat());
                EXPECT_EQ(closed->status, 404) << round;
            }
        }
    });
}

TEST_F(DataPlaneTest, DrainedWaitsForLeasesOnOtherThreadsAndCountsWhatIsLeft) {
    bool finish = false;
    int running = 0;
    routes_.add("POST", "/v1/chat/completions", [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        ++running;
        while (!finish) {
            co_await clock_.sleep_for(2ms);
        }
        (void)co_await exchange.respond(200, "text/plain", "x");
    });
    run([&]() -> Task<void> {
        co_await plane_.publish(table("local/1"));
        int answered = 0;
        TaskGroup clients{io_.get_executor()};
        auto client = [&]() -> Task<void> {
            const auto response = co_await net::fetch(clock_, chat());
            answered += response && response->status == 200 ? 1 : 0;
        };
        for (int i = 0; i < 8; ++i) {
            clients.spawn("client", client());
        }
        for (int i = 0; i < 500 && running < 8; ++i) {
            co_await clock_.sleep_for(2ms);
        }
        co_await plane_.publish(std::make_shared<const gateway::RoutingTable>());
        EXPECT_EQ(co_await plane_.drained(UpstreamId{"local/1"}, Deadline::in(clock_, 50ms)), 8U);
        finish = true;
        EXPECT_EQ(co_await plane_.drained(UpstreamId{"local/1"}, Deadline::in(clock_, 5s)), 0U);
        co_await clients.join();
        EXPECT_EQ(answered, 8);
        EXPECT_EQ(co_await plane_.drained(UpstreamId{"local/1"}, Deadline::in(clock_, 5s)), 0U)
            << "an upstream nobody knows any more is drained";
    });
}

TEST_F(DataPlaneTest, ASecondNovaOnTheSamePortIsRefused) {
    run([&]() -> Task<void> {
        DataPlane second{
            io_.get_executor(),
            clock_,
            log_,
            {.workers = 1, .policy = {}, .admission = &admit_all, .on_refused = {}}
        };
        const auto bound = second.listen(gateway_);
        EXPECT_FALSE(bound) << "SO_REUSEPORT alone would have let it in unseen";
        if (!bound) {
            EXPECT_NE(bound.error().message.find(std::to_string(gateway_.port)), std::string::npos);
        }
        co_return;
    });
}

}  // namespace
}  // namespace nova::app

// The control thread's view of real worker threads.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/data_plane.hpp"
#include "app/key_publisher.hpp"
#include "app/traffic_bridge.hpp"
#include "gateway/front_door.hpp"
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
                  .on_refused = [this](const UpstreamId& id) { refused_.push_back(id); },
                  .on_wake = [this](const SlotName& slot) { woken_.push_back(slot); },
                  .on_missed = [this](gateway::Reach reach) { missed_.push_back(reach); }}},
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
    std::vector<SlotName> woken_;
    std::vector<gateway::Reach> missed_;
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
                net::FetchRequest request = chat();
                request.target = "/v1/models/m";
                request.method = "GET";
                request.body.clear();
                const auto closed = co_await net::fetch(clock_, std::move(request));
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

TEST_F(DataPlaneTest, WhoAsksForWhatIsParkedWakesItAndWaitsForTheTableThatOpensIt) {
    routes_.add("POST", "/v1/chat/completions", [](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        (void)co_await exchange.respond(200, "text/plain", "x");
    });
    run([&]() -> Task<void> {
        auto parked = std::make_shared<gateway::RoutingTable>();
        parked->known_models = {"m"};
        parked->parked = true;
        co_await plane_.publish(std::move(parked));
        net::FetchRequest request = chat();
        request.headers.emplace_back("Prefer", "wait=10");
        std::optional<int> status;
        TaskGroup clients{io_.get_executor()};
        auto client = [&]() -> Task<void> {
            const auto response = co_await net::fetch(clock_, request);
            status = response ? response->status : 0;
        };
        clients.spawn("client", client());
        for (int i = 0; i < 5000 && woken_.empty(); ++i) {
            co_await clock_.sleep_for(1ms);
        }
        EXPECT_EQ(woken_, std::vector{SlotName{"local"}});
        EXPECT_FALSE(status);
        co_await plane_.publish(table("local/1"));
        co_await clients.join();
        EXPECT_EQ(status, 200);
    });
}

TEST_F(DataPlaneTest, WhoMissesAModelWaitsForTheLookAndIsDecidedAgain) {
    run([&]() -> Task<void> {
        TrafficBridge bridge{plane_, [](const std::string&) { return false; }};
        co_await bridge.choose({});
        std::optional<int> status;
        TaskGroup clients{io_.get_executor()};
        auto client = [&]() -> Task<void> {
            const auto response = co_await net::fetch(clock_, chat());
            status = response ? response->status : 0;
        };
        clients.spawn("client", client());
        for (int i = 0; i < 2000 && missed_.empty(); ++i) {
            co_await clock_.sleep_for(1ms);
        }
        EXPECT_EQ(missed_, std::vector{gateway::Reach::everywhere});
        co_await bridge.choose({});
        EXPECT_FALSE(status) << "a table of something else says nothing of the look";
        co_await bridge.looked();
        co_await clients.join();
        EXPECT_EQ(status, 404);
    });
}

TEST_F(DataPlaneTest, AChangedPolicyHoldsForTheNextRequestOfEveryWorker) {
    bool finish = false;
    routes_.add("POST", "/v1/chat/completions", [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        while (!finish) {
            co_await clock_.sleep_for(2ms);
        }
        (void)co_await exchange.respond(200, "text/plain", "x");
    });
    run([&]() -> Task<void> {
        co_await plane_.publish(table("local/1"));
        gateway::GatewayPolicy policy;
        policy.first_content_timeout = 20ms;
        co_await plane_.change_policy(policy);
        for (int i = 0; i < 6; ++i) {  // whichever worker it is
            const auto response = co_await net::fetch(clock_, chat());
            EXPECT_EQ(response ? response->status : 0, 504);
        }
        finish = true;
        co_await plane_.change_policy({});
        const auto response = co_await net::fetch(clock_, chat());
        EXPECT_EQ(response ? response->status : 0, 200);
    });
}

TEST_F(DataPlaneTest, TheActivityOfAnUpstreamIsTheSumOverTheWorkers) {
    bool finish = false;
    routes_.add("POST", "/v1/chat/completions", [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        while (!finish) {
            co_await clock_.sleep_for(2ms);
        }
        (void)co_await exchange.respond(200, "text/plain", std::string(1000, 'x'));
    });
    run([&]() -> Task<void> {
        TrafficBridge bridge{plane_, [](const std::string&) { return false; }};
        lifecycle::SlotView view;
        view.slot = SlotName{"local"};
        view.open = lifecycle::UpstreamView{};
        view.open->id = UpstreamId{"local/1"};
        view.open->endpoint = behind_;
        view.open->base_path = "/v1";
        view.open->models = {"m"};
        (void)co_await bridge.publish(view);
        EXPECT_FALSE(bridge.activity(UpstreamId{"local/1"}).last_use);
        const TimePoint before = clock_.now();
        TaskGroup clients{io_.get_executor()};
        auto client = [&]() -> Task<void> { (void)co_await net::fetch(clock_, chat()); };
        for (int i = 0; i < 8; ++i) {
            clients.spawn("client", client());
        }
        const UpstreamId id{"local/1"};
        for (int i = 0; i < 5000 && bridge.activity(id).leases < 8; ++i) {
            co_await clock_.sleep_for(1ms);
        }
        EXPECT_EQ(bridge.activity(id).leases, 8U);
        finish = true;
        co_await clients.join();
        (void)co_await bridge.publish(view);  // again the same: the counters go on
        EXPECT_EQ(co_await bridge.drained(UpstreamId{"local/none"}, Deadline::in(clock_, 5s)), 0U);
        for (int i = 0; i < 5000 && bridge.activity(id).leases > 0; ++i) {
            co_await clock_.sleep_for(1ms);
        }
        const lifecycle::TrafficActivity activity = bridge.activity(id);
        EXPECT_EQ(activity.leases, 0U);
        EXPECT_EQ(activity.requests, 8U);
        EXPECT_GE(activity.bytes, 8000U);
        EXPECT_TRUE(activity.last_use && *activity.last_use >= before);
        EXPECT_EQ(bridge.activity(UpstreamId{"local/2"}).requests, 0U);
    });
}

TEST_F(DataPlaneTest, ALoadThatIsMeasuredIsPublishedWithItsEta) {
    run([&]() -> Task<void> {
        TrafficBridge bridge{plane_, [](const std::string&) { return false; }};
        lifecycle::SlotView view;
        view.known_models = {"m"};
        view.slot = SlotName{"local"};
        const auto eta = [&]() -> Task<std::string> {
            const auto response = co_await net::fetch(clock_, chat());
            const auto at = response->body.find("eta_s");
            co_return at == std::string::npos ? "" : response->body.substr(at);
        };
        view.loading = lifecycle::LoadingView{.phase = "starting", .progress = 0.1, .eta_s = {}};
        (void)co_await bridge.publish(view);
        EXPECT_EQ(co_await eta(), "");
        co_await clock_.sleep_for(600ms);
        view.loading->progress = 0.5;
        (void)co_await bridge.publish(view);
        EXPECT_NE(co_await eta(), "");
        view.loading->progress.reset();
        (void)co_await bridge.publish(view);
        EXPECT_EQ(co_await eta(), "") << "nothing is promised that is not measured";
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

// Deny by default: a route that somebody adds is shut until front_door says otherwise.
TEST_F(DataPlaneTest, EveryRouteNeedsAKeyOnceThereIsOne) {
    run([&]() -> Task<void> {
        KeyPublisher publisher{plane_};
        const recovery::MintedKey minted = mint_key();
        recovery::KeyRecord record;
        record.id = minted.id;
        record.hash = minted.hash;
        std::vector<recovery::KeyRecord> keys{record};
        co_await plane_.publish(table("local/1"));  // a model nobody knows is looked for: seconds
        co_await publisher.publish(keys);
        for (const net::RouteTable::Entry& route : plane_.routes()) {
            net::FetchRequest request = chat();
            request.method = route.method;
            request.target = route.pattern.substr(0, route.pattern.find('{'));
            request.target += route.pattern.contains('{') ? "x" : "";
            const gateway::Door door = gateway::door_of(route.method, request.target);
            const bool listed = door == gateway::Door::open || door == gateway::Door::loopback;
            net::FetchRequest with_key = request;
            with_key.headers.emplace_back("x-api-key", minted.text.reveal());
            const auto refused = co_await net::fetch(clock_, std::move(request));
            EXPECT_TRUE(refused);
            EXPECT_EQ(refused->status == 401, !listed) << route.method << " " << route.pattern;
            const auto admitted = co_await net::fetch(clock_, std::move(with_key));
            EXPECT_TRUE(admitted);
            EXPECT_NE(admitted->status, 401) << route.method << " " << route.pattern;
        }
        keys.clear();
        co_await publisher.publish(keys);
        const auto open = co_await net::fetch(clock_, chat());
        EXPECT_NE(open->status, 401);
    });
}

}  // namespace
}  // namespace nova::app

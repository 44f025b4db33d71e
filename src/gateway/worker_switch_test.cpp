// What running requests see of a switch: drained, cut, or moved to another upstream.
#include <array>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "gateway/gateway_fixture.hpp"
#include "net/test_server.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

class WorkerSwitch : public testing::GatewayFixture {
protected:
    WorkerSwitch() : GatewayFixture{impatient()} {}

    static GatewayPolicy impatient() {
        GatewayPolicy policy;
        policy.cut_grace = 1s;
        return policy;
    }

    // A stream that says its upstream's number and ends with [DONE] when finish_ is set.
    net::Handler streaming() {
        return [this](net::Exchange& exchange) -> Task<void> {
            (void)co_await exchange.read_body(1U << 20U);
            bool gone = false;
            exchange.watch_client([&] { gone = true; });
            const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
            exchange.begin(200, headers, std::nullopt);
            const std::string first =
                testing::event_of(fmt::format("from {}", exchange.parameter("number")));
            (void)co_await exchange.write(first);
            while (!finish_ && !gone) {
                co_await clock_.sleep_for(1ms);
            }
            if (!gone && co_await exchange.write("data: [DONE]\n\n")) {
                (void)co_await exchange.end();
            }
        };
    }

    Task<std::unique_ptr<net::Connection>> connect() {
        auto connection = co_await net::dial(gateway_, clock_, Deadline::in(clock_, 5s));
        (*connection)->expire_at(clock_.now() + testing::kPatience);
        co_return std::move(*connection);
    }

    Task<void> send(net::Connection& connection, bool stream = true) {
        auto request = chat();
        if (stream) {
            request.body = R"({"model":"m","stream":true})";
        }
        const std::string text = fmt::format(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}",
            request.body.size(), request.body
        );
        EXPECT_TRUE(co_await connection.write(text));
    }

    static Task<std::string> read_until(net::Connection& connection, std::string_view wanted) {
        std::string text;
        char buffer[4096];
        while (text.find(wanted) == std::string::npos) {
            const auto got = co_await connection.read_some(buffer);
            if (!got || *got == 0) {
                break;
            }
            text.append(buffer, *got);
        }
        co_return text;
    }

    // Reads one answer until finish_.
    Task<void> read_on() {
        auto client = co_await connect();
        co_await send(*client);
        std::array<char, 16U * 1024U> buffer{};
        while (!finish_) {
            const auto got = co_await client->read_some(buffer);
            if (!got || *got == 0) {
                break;
            }
            received_ += *got;
        }
    }

    bool finish_ = false;
    std::uint64_t received_ = 0;
};

TEST_F(WorkerSwitch, AModelThatMovesLetsRunningRequestsFinishWhereTheyAre) {
    answer_ = streaming();
    install(serving(1));
    run([&]() -> Task<void> {
        auto old_client = co_await connect();
        co_await send(*old_client);
        EXPECT_NE((co_await read_until(*old_client, "from 1")), "");
        install(serving(2));
        int drained = 0;
        worker_.when_drained(id(1), [&] { ++drained; });
        auto new_client = co_await connect();
        co_await send(*new_client);
        const std::string from = co_await read_until(*new_client, "from 2");
        EXPECT_NE(from.find("from 2"), std::string::npos) << from;
        EXPECT_EQ(worker_.inflight(id(1)), 1U);
        EXPECT_EQ(worker_.inflight(id(2)), 1U);
        EXPECT_EQ(drained, 0);
        install(serving(2));  // again, with the old gate still inhabited
        EXPECT_EQ(worker_.inflight(id(1)), 1U);
        finish_ = true;
        const std::string rest = co_await read_until(*old_client, "0\r\n\r\n");
        EXPECT_NE(rest.find("[DONE]"), std::string::npos);
        EXPECT_EQ(rest.find("error"), std::string::npos) << rest;
        EXPECT_TRUE(co_await until([&] { return drained == 1; }));
    });
}

TEST_F(WorkerSwitch, ACutEndsTheStreamProperlyAndTheConnectionIsKept) {
    answer_ = streaming();
    install(serving(1));
    run([&]() -> Task<void> {
        auto client = co_await connect();
        co_await send(*client);
        (void)co_await read_until(*client, "from 1");
        install(serving(2));
        worker_.cut(id(1));
        const std::string rest = co_await read_until(*client, "0\r\n\r\n");
        EXPECT_NE(rest.find("backend_switched"), std::string::npos) << rest;
        EXPECT_EQ(rest.find("[DONE]"), std::string::npos);
        co_await send(*client);
        const std::string next = co_await read_until(*client, "from 2");
        EXPECT_NE(next.find("from 2"), std::string::npos) << next;
        finish_ = true;
        (void)co_await read_until(*client, "[DONE]");
    });
}

TEST_F(WorkerSwitch, ACutBeforeTheFirstByteIsA503ThatSaysSoAndTheConnectionIsKept) {
    bool arrived = false;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        arrived = true;
        bool gone = false;
        exchange.watch_client([&] { gone = true; });
        while (!gone && !finish_) {
            co_await clock_.sleep_for(1ms);
        }
        (void)co_await exchange.respond(200, "application/json", "{}");
    };
    install(serving(1));
    run([&]() -> Task<void> {
        auto client = co_await connect();
        co_await send(*client, false);
        EXPECT_TRUE(co_await until([&] { return arrived; }));
        install(loading());
        worker_.cut(id(1));
        const std::string answer = co_await read_until(*client, "}}");
        EXPECT_NE(answer.find("HTTP/1.1 503"), std::string::npos) << answer;
        EXPECT_NE(answer.find("Retry-After:"), std::string::npos);
        EXPECT_NE(answer.find("backend_switched"), std::string::npos);
        finish_ = true;
        install(serving(2));
        co_await send(*client, false);
        const std::string next = co_await read_until(*client, "{}");
        EXPECT_NE(next.find("HTTP/1.1 200"), std::string::npos) << next;
    });
}

TEST_F(WorkerSwitch, ACutDoesNotWaitForAClientThatTakesNothing) {
    answer_ = [](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::string event = testing::event_of(std::string(256U * 1024U, 'x'));
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        while (co_await exchange.write(event)) {
        }
    };
    auto meters = std::make_shared<UpstreamMeters>(1);
    run([&]() -> Task<void> {
        auto table = serving(2);
        auto metered = std::make_shared<Upstream>(*table.local);
        metered->meters = meters;
        table.local = std::move(metered);
        install(std::move(table));
        auto client = co_await connect();
        co_await send(*client);
        // Stalled when a while passes in which the engine sends nothing more.
        std::uint64_t before = 0;
        std::uint64_t now = 1;
        while (before != now) {
            before = now;
            co_await clock_.sleep_for(50ms);
            now = meters->front().bytes.load();
        }
        EXPECT_EQ(worker_.inflight(id(2)), 1U);
        EXPECT_EQ(meters->front().leases.load(), 1);
        install(loading());
        worker_.cut(id(2));
        EXPECT_TRUE(co_await until([&] { return worker_.inflight(id(2)) == 0; }));
        EXPECT_EQ(meters->front().leases.load(), 0);
        EXPECT_EQ(meters->front().requests.load(), 1U);
        EXPECT_NE(meters->front().last_use.load(), 0);
    });
}

TEST_F(WorkerSwitch, MetersCountWhatCameFromTheUpstream) {
    install(serving(1));
    run([&]() -> Task<void> {
        auto meters = std::make_shared<UpstreamMeters>(1);
        auto table = serving(7);
        auto metered = std::make_shared<Upstream>(*table.local);
        metered->meters = meters;
        table.local = std::move(metered);
        install(std::move(table));
        const TimePoint before = clock_.now();
        EXPECT_EQ((co_await ask(chat())).body, "7");
        const std::uint64_t one = meters->front().bytes.load();
        EXPECT_GT(one, 50U) << "the head counts as well";
        EXPECT_EQ((co_await ask(chat())).body, "7");
        EXPECT_EQ(meters->front().bytes.load(), 2 * one);
        EXPECT_EQ(meters->front().requests.load(), 2U);
        EXPECT_TRUE(co_await until([&] { return meters->front().leases.load() == 0; }));
        EXPECT_GE(meters->front().last_use.load(), before.time_since_epoch().count());
    });
}

class HastyDials : public testing::GatewayFixture {
protected:
    HastyDials() : GatewayFixture{policy()} {}

    // The grace is over long before the dial is.
    static GatewayPolicy policy() {
        GatewayPolicy policy;
        policy.cut_grace = 50ms;
        policy.dial_timeout = 2s;
        return policy;
    }

    RoutingTable silent(int number) const {
        RoutingTable table = serving(number);
        auto upstream = std::make_shared<Upstream>(*table.local);
        upstream->endpoint = net::endpoint_of(nobody_.address());
        table.local = std::move(upstream);
        return table;
    }

    net::testing::SilentAddress nobody_;
};

TEST_F(HastyDials, ACutInOneIsARefusalOrAnotherProvidersAnswer) {
    run([&]() -> Task<void> {
        install(silent(1));
        const auto alone = ask_aside(chat());
        EXPECT_TRUE(co_await until([&] { return worker_.inflight(id(1)) == 1; }));
        RoutingTable with_cloud = silent(2);
        with_cloud.clouds = {cloud(3)};
        install(with_cloud);
        const auto another = ask_aside(chat());
        EXPECT_TRUE(co_await until([&] { return worker_.inflight(id(2)) == 1; }));
        with_cloud.local = nullptr;
        install(with_cloud);
        worker_.cut(id(1));
        worker_.cut(id(2));
        EXPECT_TRUE(co_await until([&] { return alone->has_value() && another->has_value(); }));
        EXPECT_EQ((*alone)->status, 503);
        EXPECT_NE((*alone)->body.find("backend_switched"), std::string::npos) << (*alone)->body;
        EXPECT_EQ((*another)->status, 200);
        EXPECT_EQ((*another)->header("x-nova-route"), "local(backend_switched) -> c3");
    });
}

// Somebody edits a provider: its id stays, and its connections are no longer of use.
TEST_F(HastyDials, AProviderThatMovesToHttpsUnderItsIdIsDialledThere) {
    bool finish = true;
    answer_ = [&, this](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        EXPECT_TRUE(co_await until([&finish] { return finish; }));
        (void)co_await exchange.respond(200, "application/json", "{}");
    };
    RoutingTable before = known();
    before.clouds = {cloud(1)};
    auto moved = cloud(1);
    moved->endpoint.tls = true;  // where nobody answers the handshake
    RoutingTable after = known();
    after.clouds = {moved};
    const auto none_open = [this] { return upstream_.connections() == 0; };
    run([&]() -> Task<void> {
        install(before);
        EXPECT_EQ((co_await ask(chat())).status, 200);
        EXPECT_EQ(upstream_.connections(), 1U);
        install(after);
        EXPECT_TRUE(co_await until(none_open)) << "an idle one is forgotten";
        const auto late = co_await ask(chat());
        EXPECT_EQ(late.status, 504) << late.body;
        finish = false;
        install(before);
        const auto running = ask_aside(chat());
        EXPECT_TRUE(co_await until([&] { return worker_.inflight(moved->id) == 1; }));
        install(after);
        finish = true;
        EXPECT_TRUE(co_await until([&] { return running->has_value(); }));
        EXPECT_EQ((*running)->status, 200);
        EXPECT_TRUE(co_await until(none_open)) << "one in use is not kept";
    });
}

std::chrono::microseconds cpu_of_this_thread() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    const auto sum = [](const timeval& t) {
        return std::chrono::seconds{t.tv_sec} + std::chrono::microseconds{t.tv_usec};
    };
    return sum(usage.ru_utime) + sum(usage.ru_stime);
}

// decisions.md 2.5. Measured in time of this thread's CPU, which also plays engine and clients: the
// machine may be as busy as it likes.
TEST_F(WorkerSwitch, AFloodedWorkerInstallsATableWithin50Ms) {
    constexpr int kStreams = 16;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        const std::string event = testing::event_of(std::string(1000, 'x'));
        while (!finish_ && co_await exchange.write(event)) {
        }
        (void)co_await exchange.end();
    };
    install(serving(1));
    for (int i = 0; i < kStreams; ++i) {
        tasks_.spawn("reader", read_on());
    }
    run([&]() -> Task<void> {
        EXPECT_TRUE(co_await until([&] {
            return worker_.inflight(id(1)) == kStreams && received_ > 1'000'000;
        }));
        for (int round = 0; round < 20; ++round) {
            const std::uint64_t before = received_;
            const auto began = cpu_of_this_thread();
            co_await asio::post(asio::use_awaitable);  // as a publication arrives
            install(serving(1));
            EXPECT_LE(cpu_of_this_thread() - began, 50ms) << "round " << round;
            EXPECT_TRUE(co_await until([&] { return received_ > before; })) << "still flooded";
        }
        finish_ = true;
        EXPECT_TRUE(co_await until([&] { return worker_.inflight(id(1)) == 0; }));
    });
}

}  // namespace
}  // namespace nova::gateway

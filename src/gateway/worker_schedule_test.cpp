// Random schedules of requests, waits, departures, publications, drains and cuts.
#include <algorithm>
#include <array>
#include <map>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "gateway/schedule_fixture.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 30;
constexpr int kSteps = 60;

class Schedule : public testing::ScheduleFixture {
protected:
    Schedule() : ScheduleFixture{small()} {}

    static GatewayPolicy small() {
        GatewayPolicy policy;
        policy.waiting_places = 4;
        policy.loading_wait = 3ms;  // without Prefer: some end by themselves
        return policy;
    }

    // Streams and unary answers, each as long as `held_` says so.
    Task<void> engine(net::Exchange& exchange) {
        const auto body = co_await exchange.read_body(1U << 20U);
        const bool stream = body && body->find("true") != std::string::npos;
        bool gone = false;
        exchange.watch_client([&] { gone = true; });
        if (stream) {
            const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
            exchange.begin(200, headers, std::nullopt);
            (void)co_await exchange.write(testing::event_of("1"));
        }
        while (held_ && !gone) {
            co_await clock_.sleep_for(500us);
        }
        if (gone) {
            exchange.abort();
        } else if (stream) {
            (void)co_await exchange.write("data: [DONE]\n\n");
            (void)co_await exchange.end();
        } else {
            (void)co_await exchange.respond(200, "application/json", "{}");
        }
    }

    void send(Random& random) {
        constexpr std::array<std::string_view, 3> kPrefer{
            "", "Prefer: wait=15\r\n", "Prefer: wait=0\r\n"
        };
        const bool stream = random.chance(500);
        const std::string body = fmt::format(
            R"({{"model":"{}","stream":{}}})", random.chance(100) ? "nobody" : "m", stream
        );
        client_asks(body, kPrefer.at(random.below(3)));
    }

    // From now on nobody may enter what this table does not name.
    void publish(RoutingTable table) {
        const int open = table.local ? std::stoi(table.local->id.value.substr(6)) : 0;
        install(std::move(table));
        for (int number = 1; number <= newest_; ++number) {
            if (number != open) {
                closed_.try_emplace(number, worker_.inflight(id(number)));
            }
        }
    }

    // The gate of a closed upstream only ever empties.
    void watch() {
        for (auto& [number, inside] : closed_) {
            const std::size_t now = worker_.inflight(id(number));
            EXPECT_LE(now, inside) << "somebody was admitted to " << number << " after its end";
            inside = now;
        }
        EXPECT_LE(waiting(), 4);
        EXPECT_GE(waiting(), 0);
    }

    void step(Random& random) {
        switch (random.below(12)) {
        case 0:
            publish(serving(++newest_));
            return;
        case 1:
            publish(newest_ == 0 || closed_.contains(newest_) ? loading() : serving(newest_));
            return;
        case 2:
            publish(loading({.phase = "starting", .progress = 0.5}));
            return;
        case 3: {
            RoutingTable parked = known();
            parked.parked = true;
            publish(std::move(parked));
            return;
        }
        case 4:
            publish(known());  // the load failed
            return;
        case 5:
            held_ = !held_;
            return;
        case 6:
            if (!closed_.empty()) {
                worker_.cut(id(closed_.rbegin()->first));
            }
            return;
        case 7:
            one_leaves();
            return;
        default:
            send(random);
        }
    }

    Task<void> play(std::uint64_t seed) {
        Random random{seed};
        for (int i = 0; i < kSteps; ++i) {
            step(random);
            const std::uint64_t turns = random.below(40);
            for (std::uint64_t turn = 0; turn < turns; ++turn) {
                co_await asio::post(asio::use_awaitable);
                watch();
            }
        }
        held_ = false;
        publish(random.chance(500) ? serving(++newest_) : known());
        EXPECT_TRUE(co_await until([&] {
            watch();
            return all_done();
        }));
        const auto counts = [&] {
            return std::array{
                counters_.at(0).inflight.load(), counters_.at(0).active_relays.load(), waiting()
            };
        };
        EXPECT_TRUE(co_await until([&] { return counts() == std::array<std::int64_t, 3>{}; }));
        for (int number = 1; number <= newest_; ++number) {
            EXPECT_EQ(worker_.inflight(id(number)), 0U);
        }
        for (const auto& each : clients_) {
            if (!each->left) {
                judge(each->answer);
            }
        }
        clients_.clear();
        closed_.clear();
        for (int number = 1; number <= newest_; ++number) {
            closed_.emplace(number, 0);  // an id never comes back
        }
        install(RoutingTable{});
    }

    // Whoever stayed has one whole answer, and it is one of these.
    void judge(const std::string& answer) {
        const std::string status = answer.substr(0, std::min<std::size_t>(12, answer.size()));
        ++statuses_[status];
        if (status == "HTTP/1.1 200") {
            const bool whole = answer.ends_with("{}") || answer.ends_with("0\r\n\r\n");
            EXPECT_TRUE(whole) << answer;
        } else if (status == "HTTP/1.1 503") {
            EXPECT_NE(answer.find("Retry-After:"), std::string::npos) << answer;
        } else {
            EXPECT_EQ(status, "HTTP/1.1 404") << answer;
        }
    }

    bool held_ = true;
    int newest_ = 0;
    std::map<int, std::size_t> closed_;  // how many were inside when last looked at
    std::map<std::string, int> statuses_;
};

TEST_F(Schedule, LeavesNothingBehindAndAdmitsNobodyByAnOlderTable) {
    answer_ = [this](net::Exchange& exchange) { return engine(exchange); };
    run([&]() -> Task<void> {
        for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
            co_await play(seed);
            EXPECT_FALSE(HasFailure()) << "seed " << seed;
        }
    });
    // A schedule that never gets anywhere would prove nothing.
    EXPECT_GT(statuses_["HTTP/1.1 200"], 50);
    EXPECT_GT(statuses_["HTTP/1.1 503"], 50);
    EXPECT_GT(statuses_["HTTP/1.1 404"], 5);
}

}  // namespace
}  // namespace nova::gateway

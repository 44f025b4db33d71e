// Random schedules of requests to several providers that fail in every way, of clients that leave,
// of changes of the table and of cuts: afterwards nothing is left over.
#include <algorithm>
#include <array>
#include <map>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "gateway/gatekeeper.hpp"
#include "gateway/schedule_fixture.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 25;
constexpr int kSteps = 50;
constexpr int kClouds = 3;

// Providers misbehave by the dice; the first digit of a number is its kind, so that a provider may
// be new in every table.
class RelaySchedule : public testing::ScheduleFixture {
protected:
    RelaySchedule() {
        answer_ = [this](net::Exchange& exchange) { return provide(exchange); };
    }

    Task<void> provide(net::Exchange& exchange) {
        const auto body = co_await exchange.read_body(1U << 20U);
        const bool stream = body && body->find("\"stream\":true") != std::string::npos;
        const std::uint64_t fault = dice_.below(16);
        bool gone = false;
        exchange.watch_client([&gone] { gone = true; });
        for (std::uint64_t wait = dice_.below(6); wait > 0 && !gone; --wait) {
            co_await asio::post(asio::use_awaitable);
        }
        constexpr std::array kStatuses{400, 408, 404, 529, 500, 503};
        if (gone || fault == 0) {
            exchange.abort();
        } else if (fault <= kStatuses.size()) {
            const int status = kStatuses.at(fault - 1);
            (void)co_await exchange.respond(status, "application/json", R"({"error":"planned"})");
        } else if (!stream) {
            (void)co_await exchange.respond(200, "application/json", R"({"ok":true})");
        } else {
            co_await stream_some(exchange, fault, gone);
        }
    }

    Task<void> stream_some(net::Exchange& exchange, std::uint64_t fault, const bool& gone) {
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        if (fault == 7) {
            (void)co_await exchange.write("data: {\"error\":{\"message\":\"planned\"}}\n\n");
        }
        for (std::uint64_t left = dice_.below(8); left > 0 && !gone; --left) {
            (void)co_await exchange.write(testing::event_of("word"));
            co_await asio::post(asio::use_awaitable);
        }
        if (fault == 8 || gone) {
            exchange.abort();
            co_return;
        }
        (void)co_await exchange.write("data: [DONE]\n\n");
        (void)co_await exchange.end();
    }

    void send() {
        const std::string body = fmt::format(
            R"({{"model":"{}","stream":{}}})", dice_.chance(50) ? "nobody" : "m", dice_.chance(600)
        );
        client_asks(body);
    }

    void publish() {
        RoutingTable table = dice_.chance(700) ? serving(++newest_) : known();
        table.strategy = dice_.chance(300) ? Strategy::cloud_first : Strategy::local_first;
        for (int number = 1; number <= kClouds; ++number) {
            if (dice_.chance(700)) {
                auto upstream = cloud(number);
                upstream->endpoint = dice_.chance(100) ? nowhere_ : behind_;
                table.clouds.push_back(std::move(upstream));
            }
        }
        install(std::move(table));
    }

    void step() {
        switch (dice_.below(10)) {
        case 0:
        case 1:
            publish();
            return;
        case 2:
            if (newest_ > 0) {
                worker_.cut(id(newest_));
            }
            return;
        case 3:
            one_leaves();
            return;
        default:
            send();
        }
    }

    Task<void> play(std::uint64_t seed) {
        dice_ = Random{seed};
        for (int number = 1; number <= kClouds; ++number) {
            breakers_.of(fmt::format("cloud/c{}", number)).forget();
        }
        publish();
        for (int i = 0; i < kSteps; ++i) {
            step();
            for (std::uint64_t turns = dice_.below(30); turns > 0; --turns) {
                co_await asio::post(asio::use_awaitable);
            }
        }
        EXPECT_TRUE(co_await until([this] { return all_done(); }));
        EXPECT_TRUE(co_await until([this] { return left_over() == 0; })) << left_over();
        for (const auto& one : clients_) {
            if (!one->left) {
                judge(one->answer);
            }
        }
        clients_.clear();
        install(RoutingTable{});
    }

    std::int64_t left_over() {
        std::int64_t sum = counters_.at(0).inflight.load() + counters_.at(0).active_relays.load();
        for (int number = 1; number <= kClouds; ++number) {
            const std::string id = fmt::format("cloud/c{}", number);
            sum += breakers_.of(id).under_way();
            sum += static_cast<std::int64_t>(worker_.inflight(UpstreamId{id}));
        }
        for (int number = 1; number <= newest_; ++number) {
            sum += static_cast<std::int64_t>(worker_.inflight(GatewayFixture::id(number)));
        }
        return sum;
    }

    // Whoever stayed has one whole answer: an end, an error event, or a status that says what is
    // the matter. Never both an error and an end.
    void judge(const std::string& answer) {
        const std::string status = answer.substr(0, std::min<std::size_t>(12, answer.size()));
        ++statuses_[status];
        if (status == "HTTP/1.1 200") {
            const bool done = answer.find("[DONE]") != std::string::npos;
            const bool error = answer.find("data: {\"error\":{") != std::string::npos;
            const bool unary = answer.find(R"({"ok":true})") != std::string::npos;
            EXPECT_EQ(int{done} + int{error} + int{unary}, 1) << answer;
        } else {
            EXPECT_NE(answer.find("\"error\":"), std::string::npos) << answer;
        }
    }

    Random dice_{1};
    int newest_ = 0;
    Endpoint nowhere_{.host = "127.0.0.1", .port = 1};
    std::map<std::string, int> statuses_;
};

TEST_F(RelaySchedule, LeavesNoLeaseNoPermitAndOneRecordOfEachRequest) {
    run([&]() -> Task<void> {
        for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
            co_await play(seed);
            EXPECT_FALSE(HasFailure()) << "seed " << seed;
        }
    });
    EXPECT_EQ(heard_.all.size(), counters_.at(0).requests.load());
    // A schedule that never gets anywhere would prove nothing.
    EXPECT_GT(statuses_["HTTP/1.1 200"], 100);
    EXPECT_GT(statuses_["HTTP/1.1 404"], 5);
    EXPECT_GT(heard_.given_up.size(), 100U);
    const auto several = std::ranges::count_if(heard_.all, [](const auto& one) {
        return one.end == RequestEnd::served && one.attempts > 1;
    });
    EXPECT_GT(several, 20);
}

}  // namespace
}  // namespace nova::gateway

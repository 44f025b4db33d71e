// What bit other gateways at the level of connections (docs/traps.md), seen from client and engine.
#include <algorithm>
#include <array>
#include <map>

#include "gateway/gateway_fixture.hpp"
#include "net/body_budget.hpp"

namespace nova::gateway::testing {
namespace {

constexpr std::string_view kFirstWord =
    "data: {\"choices\":[{\"delta\":{\"content\":\"one\"},\"finish_reason\":null}]}\n\n";

using Step = std::function<Task<void>(net::Exchange&)>;

class WorkerTraps : public GatewayFixture {
protected:
    explicit WorkerTraps(GatewayPolicy policy = {}) : GatewayFixture{std::move(policy)} {}

    Task<std::unique_ptr<net::Connection>> connect() {
        auto connection = co_await net::dial(gateway_, clock_, Deadline::in(clock_, kPatience));
        EXPECT_TRUE(connection) << (connection ? "" : connection.error().message);
        (*connection)->expire_at(clock_.now() + kPatience);
        co_return *std::move(connection);
    }

    static std::string post(std::string_view target, std::string_view body) {
        return fmt::format(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", target, body.size(), body
        );
    }

    static Task<std::string> read_until(net::Connection& connection, std::string_view wanted) {
        std::string text;
        std::array<char, 4096> buffer{};
        while (text.find(wanted) == std::string::npos) {
            const auto size = co_await connection.read_some(buffer);
            if (!size || *size == 0) {
                co_return text + "<end>";
            }
            text.append(buffer.data(), *size);
        }
        co_return text;
    }

    // An engine that does `before` of an answer and then nothing until its client has gone.
    void engine_that_stops_after(Step before) {
        answer_ = [this, before = std::move(before)](net::Exchange& exchange) -> Task<void> {
            (void)co_await exchange.read_body(1U << 20U);
            ++reached_;
            // Outlives this frame: the watch is over only when the exchange is.
            const auto gone = std::make_shared<bool>(false);
            exchange.watch_client([gone] { *gone = true; });
            co_await before(exchange);
            EXPECT_TRUE(co_await until([gone] { return *gone; })) << "it was never told";
            ++told_to_stop_;
            exchange.abort();
        };
    }

    int reached_ = 0;
    int told_to_stop_ = 0;
};

// Trap 26: the engine closed the idle connection just as we wrote.
TEST_F(WorkerTraps, AStaleConnectionIsReplacedOnceAndTheRequestServed) {
    std::map<std::uint16_t, int> asked;
    answer_ = [&asked](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        if (asked[exchange.peer().port]++ > 0) {
            exchange.abort();
            co_return;
        }
        (void)co_await exchange.respond(200, "application/json", "{}");
    };
    install(serving(1));
    run([&]() -> Task<void> {
        EXPECT_EQ((co_await ask(chat())).status, 200);
        EXPECT_EQ((co_await ask(chat())).status, 200);
    });
    ASSERT_EQ(asked.size(), 2U) << "a fresh one";
    std::vector<int> times;
    for (const auto& [port, count] : asked) {
        times.push_back(count);
    }
    std::ranges::sort(times);
    EXPECT_EQ(times, (std::vector<int>{1, 2})) << "the old one was tried and given up";
}

// Trap 27: what dies on a fresh connection may have been begun, and would cost twice.
TEST_F(WorkerTraps, AFreshConnectionThatDiesIsNotTriedAgain) {
    int asked = 0;
    answer_ = [&asked](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        ++asked;
        exchange.abort();
    };
    install(serving(1));
    run([&]() -> Task<void> { EXPECT_EQ((co_await ask(chat())).status, 502); });
    EXPECT_EQ(asked, 1);
}

// Trap 30: no cap of ours makes requests wait that the engine would take.
TEST_F(WorkerTraps, AllRequestsReachTheEngineAtOnce) {
    constexpr int kTogether = 150;
    int together = 0;
    answer_ = [&, this](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        ++together;
        EXPECT_TRUE(co_await until([&together] { return together >= kTogether; })) << together;
        (void)co_await exchange.respond(200, "application/json", "{}");
    };
    install(serving(1));
    run([&]() -> Task<void> {
        std::vector<std::shared_ptr<std::optional<net::FetchResponse>>> answers;
        for (int i = 0; i < kTogether; ++i) {
            answers.push_back(ask_aside(chat()));
        }
        EXPECT_TRUE(co_await until([&answers] {
            return std::ranges::all_of(answers, [](const auto& one) { return one->has_value(); });
        }));
        for (const auto& one : answers) {
            EXPECT_EQ(one->has_value() ? (*one)->status : 0, 200);
        }
    });
}

// Traps 35 and 36: before the head, and in the middle of an answer that is no stream.
TEST_F(WorkerTraps, AClientThatLeavesEndsTheEnginesWorkAtAnyTime) {
    const auto nothing = [](net::Exchange&) -> Task<void> { co_return; };
    const auto half = [](net::Exchange& exchange) -> Task<void> {
        const std::vector<net::HeaderView> headers{{"Content-Type", "application/json"}};
        exchange.begin(200, headers, 1000);
        (void)co_await exchange.write("{\"half\":");
    };
    const auto stream = [](net::Exchange& exchange) -> Task<void> {
        const std::vector<net::HeaderView> headers{{"Content-Type", "text/event-stream"}};
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(kFirstWord);
    };
    install(serving(1));
    int expected = 0;
    for (const std::string_view body : {R"({"model":"m"})", R"({"model":"m","stream":true})"}) {
        for (const Step& before : {Step{nothing}, Step{half}, Step{stream}}) {
            engine_that_stops_after(before);
            ++expected;
            run([&]() -> Task<void> {
                const auto connection = co_await connect();
                EXPECT_TRUE(co_await connection->write(post("/v1/chat/completions", body)));
                EXPECT_TRUE(co_await until([&] { return reached_ == expected; }));
                connection->close();
                EXPECT_TRUE(co_await until([&] { return told_to_stop_ == expected; }));
                EXPECT_TRUE(co_await until([&] { return worker_.inflight(id(1)) == 0; }));
            });
        }
    }
}

// Trap 22, decided: on a generating route who has finished sending counts as gone.
TEST_F(WorkerTraps, AHalfClosedClientOfAGenerationCountsAsGone) {
    engine_that_stops_after([](net::Exchange&) -> Task<void> { co_return; });
    install(serving(1));
    run([&]() -> Task<void> {
        const auto connection = co_await connect();
        EXPECT_TRUE(co_await connection->write(post("/v1/chat/completions", R"({"model":"m"})")));
        EXPECT_TRUE(co_await until([&] { return reached_ == 1; }));
        connection->shutdown_send();
        EXPECT_TRUE(co_await until([&] { return told_to_stop_ == 1; }));
        // On others it is answered.
        const auto other = co_await connect();
        EXPECT_TRUE(co_await other->write("GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"));
        other->shutdown_send();
        EXPECT_NE((co_await read_until(*other, "\"list\"}")).find(" 200 "), std::string::npos);
    });
}

// Trap 23: 204 has no body, and what follows on the connection is the next answer.
TEST_F(WorkerTraps, AnAnswerWithoutBodyLeavesTheConnectionInOrder) {
    bool first = true;
    answer_ = [&first](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        if (std::exchange(first, false)) {
            exchange.begin(204, {}, std::nullopt);
            (void)co_await exchange.end();
            co_return;
        }
        (void)co_await exchange.respond(200, "application/json", "{\"n\":2}");
    };
    install(serving(1));
    run([&]() -> Task<void> {
        const auto connection = co_await connect();
        const std::string body = R"({"model":"m"})";
        EXPECT_TRUE(co_await connection->write(post("/v1/chat/completions", body)));
        const std::string none = co_await read_until(*connection, "\r\n\r\n");
        EXPECT_NE(none.find(" 204 "), std::string::npos) << none;
        EXPECT_EQ(none.find("Content-Length"), std::string::npos) << none;
        EXPECT_EQ(none.find("Transfer-Encoding"), std::string::npos) << none;
        EXPECT_TRUE(none.ends_with("\r\n\r\n")) << none;
        EXPECT_TRUE(co_await connection->write(post("/v1/chat/completions", body)));
        const std::string second = co_await read_until(*connection, "{\"n\":2}");
        EXPECT_TRUE(second.starts_with("HTTP/1.1 200 ")) << second;
    });
}

// Traps 16, 97 and 101: one of each, and ours where it is ours.
TEST_F(WorkerTraps, TheGatewaysOwnFieldsAreWrittenOnceAndNotByTheEngine) {
    answer_ = [](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        const std::vector<net::HeaderView> headers{
            {"Content-Type", "text/event-stream"},
            {"Server", "engine/1"},
            {"Date", "Mon, 01 Jan 2024 00:00:00 GMT"},
            {"X-Nova-Provider", "evil"},
            {"X-Nova-Route", "evil"},
            {"X-Nova-Model", "evil"},
            {"Connection", "x-evil"},
            {"X-Evil", "evil"},
        };
        exchange.begin(200, headers, std::nullopt);
        (void)co_await exchange.write(kFirstWord);
        (void)co_await exchange.write("data: [DONE]\n\n");
        (void)co_await exchange.end();
    };
    install(serving(1));
    run([&]() -> Task<void> {
        const auto connection = co_await connect();
        EXPECT_TRUE(co_await connection->write(
            post("/v1/chat/completions", R"({"model":"m","stream":true})")
        ));
        const std::string answer = co_await read_until(*connection, "[DONE]");
        const std::string head = answer.substr(0, answer.find("\r\n\r\n") + 2);
        const auto count = [&head](std::string_view field) {
            int found = 0;
            for (std::size_t at = head.find(field); at != std::string::npos;
                 at = head.find(field, at + 1)) {
                ++found;
            }
            return found;
        };
        EXPECT_EQ(count("\r\nDate: "), 1) << head;
        EXPECT_EQ(count("2024"), 0) << head;
        EXPECT_EQ(count("\r\nServer: "), 0) << head;
        EXPECT_EQ(count("\r\nX-Nova-Provider: llamacpp\r\n"), 1) << head;
        EXPECT_EQ(count("\r\nX-Nova-Provider: "), 1) << head;
        EXPECT_EQ(count("evil"), 0) << head;
        EXPECT_EQ(count("\r\nX-Accel-Buffering: no\r\n"), 1) << head;
    });
}

// Trap 41: how long bytes may be away is no measure for how long a prompt may be read.
class PatientTraps : public WorkerTraps {
protected:
    PatientTraps() : WorkerTraps{policy()} {}

    static GatewayPolicy policy() {
        GatewayPolicy value;
        value.idle_timeout = std::chrono::seconds{1};
        return value;
    }
};

TEST_F(PatientTraps, ALongPrefillIsNoStall) {
    answer_ = [this](net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.read_body(1U << 20U);
        co_await clock_.sleep_for(1200ms);  // the engine reads its prompt
        (void)co_await exchange.respond(200, "application/json", "{}");
    };
    install(serving(1));
    run([&]() -> Task<void> { EXPECT_EQ((co_await ask(chat())).status, 200); });
    EXPECT_GE(GatewayPolicy{}.head_timeout, std::chrono::minutes{10});
}

class SmallTraps : public WorkerTraps {
protected:
    SmallTraps() : WorkerTraps{policy()} {}

    static GatewayPolicy policy() {
        GatewayPolicy value;
        value.body_budget = std::make_shared<net::BodyBudget>(1000);
        return value;
    }
};

// Trap 20: the policy's budget is the server's, and one for all who share the policy.
TEST_F(SmallTraps, BodiesBeyondTheBudgetAreTurnedAwayBeforeTheEngine) {
    install(serving(1));
    run([&]() -> Task<void> {
        net::FetchRequest large = chat();
        large.body = R"({"model":"m","mark":")" + std::string(1000, 'x') + "\"}";
        const auto refused = co_await ask(std::move(large));
        EXPECT_EQ(refused.status, 429);
        EXPECT_EQ(refused.header("retry-after"), "1");
        EXPECT_NE(refused.body.find("request_bodies_exhausted"), std::string::npos) << refused.body;
        EXPECT_EQ((co_await ask(chat())).status, 200);
    });
    const GatewayPolicy one;
    const GatewayPolicy copy = one;
    EXPECT_TRUE(one.body_budget && one.body_budget == copy.body_budget);
}

}  // namespace
}  // namespace nova::gateway::testing

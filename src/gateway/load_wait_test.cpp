// Requests for a model that is on its way, over real sockets.
#include <gtest/gtest.h>

#include "gateway/gateway_fixture.hpp"
#include "gateway/load_wait.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

class LoadWait : public testing::GatewayFixture {
protected:
    LoadWait() : GatewayFixture{policy()} {}

    explicit LoadWait(GatewayPolicy policy) : GatewayFixture{policy} {}

    static GatewayPolicy policy() {
        GatewayPolicy policy;
        policy.waiting_places = 3;
        return policy;
    }
};

bool contains(const net::FetchResponse& response, std::string_view text) {
    return response.body.find(text) != std::string::npos;
}

TEST_F(LoadWait, WhoDoesNotWaitIsToldAtOnceHowFarItIs) {
    install(loading({.phase = "starting", .progress = 0.25, .eta_s = 41.0}));
    run([&]() -> Task<void> {
        auto response = co_await ask(chat());
        EXPECT_EQ(response.status, 503);
        EXPECT_EQ(response.header("retry-after"), "41");
        EXPECT_EQ(response.header("preference-applied"), "");
        EXPECT_TRUE(contains(response, R"("code":"model_loading")")) << response.body;
        EXPECT_TRUE(
            contains(response, R"("loading":{"eta_s":41.0,"phase":"starting","progress":0.25})")
        ) << response.body;
        response = co_await ask(chat("respond-async, wait=0"));
        EXPECT_EQ(response.status, 503);
        install(loading({.phase = "pulling", .progress = {}, .eta_s = 86400.0}));
        response = co_await ask(chat());
        EXPECT_EQ(response.header("retry-after"), "120") << "nobody has to sleep for a day";
        install(loading());
        response = co_await ask(chat());
        EXPECT_EQ(response.header("retry-after"), "2");
        EXPECT_TRUE(contains(response, R"("loading":{"phase":"starting"})")) << response.body;
    });
}

TEST_F(LoadWait, WhoPrefersToWaitIsAnsweredWhenTheModelIsThere) {
    install(loading());
    run([&]() -> Task<void> {
        const auto answer = ask_aside(chat("handling=strict, wait=60"));
        EXPECT_TRUE(co_await until([&] { return waiting() == 1; }));
        EXPECT_EQ(counters_.at(0).inflight.load(), 0) << "a waiting request holds no lease";
        install(loading({.phase = "starting", .progress = 0.9}));
        co_await settle();
        EXPECT_FALSE(*answer) << "news of the load are no reason to go";
        install(serving(1));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 200);
        EXPECT_EQ((*answer)->body, "1");
        EXPECT_EQ((*answer)->header("preference-applied"), "wait");
        EXPECT_EQ(waiting(), 0);
        const auto at_once = co_await ask(chat("wait=60"));
        EXPECT_EQ(at_once.status, 200);
        EXPECT_EQ(at_once.header("preference-applied"), "") << "there was nothing to wait for";
    });
}

TEST_F(LoadWait, ATableThatOpensAndClosesAgainAdmitsNobodyWhoHasNotSeenIt) {
    install(loading());
    run([&]() -> Task<void> {
        const auto answer = ask_aside(chat("wait=60"));
        EXPECT_TRUE(co_await until([&] { return waiting() == 1; }));
        install(serving(1));
        install(loading());
        co_await settle();
        EXPECT_FALSE(*answer);
        EXPECT_EQ(waiting(), 1);
        install(serving(2));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->body, "2");
    });
}

TEST_F(LoadWait, ThoseWhoCameFirstAreServedFirst) {
    std::vector<std::string> order;
    answer_ = [&](net::Exchange& exchange) -> Task<void> {
        order.push_back((co_await exchange.read_body(1U << 20U)).value());
        (void)co_await exchange.respond(200, "text/plain", "x");
    };
    install(loading());
    run([&]() -> Task<void> {
        std::vector<std::string> wanted;
        std::vector<std::shared_ptr<std::optional<net::FetchResponse>>> answers;
        for (const std::string_view mark : {"a", "b", "c"}) {
            auto request = chat("wait=60", mark);
            wanted.push_back(request.body);
            answers.push_back(ask_aside(std::move(request)));
            const auto so_far = static_cast<std::int64_t>(wanted.size());
            EXPECT_TRUE(co_await until([&] { return waiting() == so_far; }));
        }
        install(serving(1));
        EXPECT_TRUE(co_await until([&] {
            return std::ranges::all_of(answers, [](const auto& it) { return it->has_value(); });
        }));
        EXPECT_EQ(order, wanted);
    });
}

TEST_F(LoadWait, BeyondThePlacesItIsA503AtOnce) {
    install(loading({.phase = "starting", .progress = 0.5, .eta_s = 7.0}));
    run([&]() -> Task<void> {
        std::vector<std::shared_ptr<std::optional<net::FetchResponse>>> answers;
        for (int i = 0; i < 3; ++i) {
            answers.push_back(ask_aside(chat("wait=60")));
        }
        EXPECT_TRUE(co_await until([&] { return waiting() == 3; }));
        const auto refused = co_await ask(chat("wait=60"));
        EXPECT_EQ(refused.status, 503);
        EXPECT_EQ(refused.header("retry-after"), "7");
        EXPECT_EQ(refused.header("preference-applied"), "");
        EXPECT_TRUE(contains(refused, "loading_queue_full")) << refused.body;
        EXPECT_TRUE(contains(refused, R"("loading":{)")) << refused.body;
        install(serving(1));
        for (const auto& answer : answers) {
            EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
            EXPECT_EQ((*answer)->status, 200);
        }
        EXPECT_EQ(waiting(), 0);
    });
}

TEST_F(LoadWait, AFailedLoadEndsTheWaitWithItsCause) {
    install(loading());
    run([&]() -> Task<void> {
        const auto answer = ask_aside(chat("wait=60"));
        EXPECT_TRUE(co_await until([&] { return waiting() == 1; }));
        RoutingTable failed = known();
        failed.error = "The model file is cut short.";
        install(std::move(failed));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 503);
        EXPECT_NE((*answer)->header("retry-after"), "");
        EXPECT_TRUE(contains(**answer, "The model file is cut short.")) << (*answer)->body;
        EXPECT_FALSE(contains(**answer, "\"loading\"")) << "it is not loading any more";
    });
}

TEST_F(LoadWait, AModelThatDoesNotComeAfterAllIsNo404) {
    install(loading());
    run([&]() -> Task<void> {
        const auto answer = ask_aside(chat("wait=60"));
        EXPECT_TRUE(co_await until([&] { return waiting() == 1; }));
        install(serving(1, "the-old-one"));  // rolled back
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 503);
        EXPECT_NE((*answer)->header("retry-after"), "");
        EXPECT_TRUE(contains(**answer, "did not become ready")) << (*answer)->body;
        EXPECT_TRUE(contains(**answer, "the-old-one")) << (*answer)->body;
    });
}

TEST_F(LoadWait, AClientThatLeavesIsForgottenAtOnce) {
    install(loading());
    run([&]() -> Task<void> {
        auto connection = co_await net::dial(gateway_, clock_, Deadline::in(clock_, 5s));
        const auto request = chat();
        const std::string text = fmt::format(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nPrefer: wait=600\r\n"
            "Content-Length: {}\r\n\r\n{}",
            request.body.size(), request.body
        );
        EXPECT_TRUE(co_await (*connection)->write(text));
        EXPECT_TRUE(co_await until([&] { return waiting() == 1; }));
        (*connection)->close();
        EXPECT_TRUE(co_await until([&] { return waiting() == 0; }));
        EXPECT_TRUE(co_await until([&] { return counters_.at(0).client_left.load() == 1; }));
    });
}

TEST_F(LoadWait, ARequestForWhatIsParkedWakesItOnceAndWaits) {
    RoutingTable parked = known();
    parked.parked = true;
    install(parked);
    run([&]() -> Task<void> {
        const auto refused = co_await ask(chat());
        EXPECT_EQ(refused.status, 503);
        EXPECT_EQ(refused.header("retry-after"), "2");
        EXPECT_TRUE(contains(refused, R"("loading":{"phase":"parked"})")) << refused.body;
        EXPECT_EQ(told_.woken, std::vector{SlotName{"local"}});
        const auto one = ask_aside(chat("wait=60"));
        const auto two = ask_aside(chat("wait=60"));
        EXPECT_TRUE(co_await until([&] { return waiting() == 2; }));
        EXPECT_EQ(told_.woken.size(), 1U) << "once per table";
        install(parked);
        co_await settle();
        EXPECT_EQ(told_.woken.size(), 2U) << "those who wait ask again when it stays parked";
        install(loading());
        install(serving(1));
        EXPECT_TRUE(co_await until([&] { return one->has_value() && two->has_value(); }));
        EXPECT_EQ((*one)->status, 200);
        EXPECT_EQ(told_.woken.size(), 2U);
        net::FetchRequest unknown = chat("wait=60");
        unknown.body = R"({"model":"nobody"})";
        EXPECT_EQ((co_await ask(unknown)).status, 404);
    });
}

TEST_F(LoadWait, NobodyWaitsForANovaThatGoes) {
    install(loading());
    run([&]() -> Task<void> {
        const auto answer = ask_aside(chat("wait=60"));
        EXPECT_TRUE(co_await until([&] { return waiting() == 1; }));
        worker_.stop();
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 503);
        EXPECT_TRUE(contains(**answer, "shutting_down")) << (*answer)->body;
    });
}

// Waits of milliseconds, by setting.
class ShortLoadWait : public LoadWait {
protected:
    ShortLoadWait() : LoadWait{short_waits()} {}

    static GatewayPolicy short_waits() {
        GatewayPolicy policy;
        policy.loading_wait = 20ms;
        policy.loading_wait_most = 30ms;
        return policy;
    }
};

TEST_F(ShortLoadWait, TheDeadlineEndsInThe503ThatNotWaitingGives) {
    install(loading({.phase = "starting", .progress = 0.5}));
    run([&]() -> Task<void> {
        auto response = co_await ask(chat());
        EXPECT_EQ(response.status, 503);
        EXPECT_EQ(response.header("preference-applied"), "") << "the setting's wait, not its own";
        EXPECT_TRUE(contains(response, R"("loading":{"phase":"starting","progress":0.5})"));
        response = co_await ask(chat("wait=3600"));
        EXPECT_EQ(response.status, 503) << "the wish is bounded by the setting";
        EXPECT_EQ(response.header("preference-applied"), "wait");
        EXPECT_EQ(waiting(), 0);
    });
}

TEST(Patience, IsTheClientsUpToTheMaximumElseTheSettings) {
    GatewayPolicy policy;
    policy.loading_wait = 5s;
    policy.loading_wait_most = 100s;
    const auto patience = [&](std::string_view prefer) {
        net::Headers headers;
        headers.add("Prefer", prefer);
        return patience_of(headers, policy);
    };
    EXPECT_EQ(patience("wait=30").time, 30s);
    EXPECT_TRUE(patience("wait=30").preferred);
    EXPECT_EQ(patience("wait=3000").time, 100s);
    EXPECT_EQ(patience("wait=0").time, 0s) << "in a hurry, whatever the setting says";
    EXPECT_EQ(patience("respond-async").time, 5s);
    EXPECT_FALSE(patience("respond-async").preferred);
}

}  // namespace
}  // namespace nova::gateway

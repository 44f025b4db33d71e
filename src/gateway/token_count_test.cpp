// Counting tokens before a request is sent.
#include <gtest/gtest.h>

#include "gateway/relay_fixture.hpp"

namespace nova::gateway {
namespace {

class TokenCount : public testing::RelayFixture {
protected:
    void SetUp() override {
        routes_.add("POST", "/{number}/v1/messages/count_tokens", [this](net::Exchange& exchange) {
            return answer_(exchange);
        });
        RelayFixture::SetUp();
    }

    std::shared_ptr<Upstream> claude(int number) const {
        auto upstream = cloud(number);
        upstream->speaks = dialect::Dialect::anthropic;
        return upstream;
    }

    Task<net::FetchResponse> count(std::string_view model = "m") {
        co_return co_await ask(post(
            "/v1/messages/count_tokens",
            fmt::format(
                R"({{"model":"{}","messages":[{{"role":"user","content":"12345678"}}]}})", model
            )
        ));
    }
};

TEST_F(TokenCount, IsTheProvidersOwnWhereItHasOne) {
    says(1, "application/json", R"({"input_tokens":14})");
    install(only(claude(1)));
    run([&]() -> Task<void> {
        const auto answer = co_await count();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, R"({"input_tokens":14})");
        EXPECT_EQ(target_, "/1/v1/messages/count_tokens");
        EXPECT_EQ(answer.header("x-nova-provider"), "c1");
        EXPECT_EQ(answer.header("x-nova-estimate"), "");
    });
    EXPECT_FALSE(last().usage.prompt) << "nobody is billed for a count";
}

TEST_F(TokenCount, IsAnEstimateThatSaysSoElsewhere) {
    install(serving(1));
    run([&]() -> Task<void> {
        const auto answer = co_await count();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, R"({"input_tokens":6})");
        EXPECT_EQ(answer.header("x-nova-estimate"), "characters");
        EXPECT_EQ(asked_, "") << "nobody was asked";
    });
    EXPECT_EQ(last().end, RequestEnd::served);
    EXPECT_EQ(last().attempts, 0U);
}

// Behind a model of this machine a cloud would count by tokens of its own, and read the prompt.
TEST_F(TokenCount, NeverGoesToACloudThatWouldOnlyStandIn) {
    RoutingTable table = serving(1);
    auto other = claude(2);
    other->models = {};
    other->default_model = "theirs";
    table.clouds = {other};
    install(std::move(table));
    run([&]() -> Task<void> {
        EXPECT_EQ((co_await count()).header("x-nova-estimate"), "characters");
        EXPECT_EQ(asked_, "");
    });
}

TEST_F(TokenCount, NeitherWakesNorWaits) {
    RoutingTable table = known();
    table.parked = true;
    install(std::move(table));
    run([&]() -> Task<void> { EXPECT_EQ((co_await count()).status, 200); });
    EXPECT_TRUE(told_.woken.empty());
}

TEST_F(TokenCount, RefusesWhatNobodyKnowsAndWhatIsNoRequest) {
    install(serving(1));
    run([&]() -> Task<void> {
        const auto unknown = co_await count("nobody");
        EXPECT_EQ(unknown.status, 404);
        EXPECT_NE(unknown.body.find(R"("type":"error")"), std::string::npos) << unknown.body;
        const auto broken =
            co_await ask(post("/v1/messages/count_tokens", R"({"model":"m","messages":1})"));
        EXPECT_EQ(broken.status, 400);
    });
}

}  // namespace
}  // namespace nova::gateway

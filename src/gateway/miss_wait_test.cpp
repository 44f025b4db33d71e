// Requests for a model nobody knows, over real sockets.
#include <gtest/gtest.h>

#include "gateway/api_keys.hpp"
#include "gateway/gateway_fixture.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

struct NeverCloudKey {
    NeverCloudKey() {
        const NewKey made = make_key();
        auto access = std::make_shared<Access>();
        access->key_id = made.id;
        access->never_cloud = true;
        text = made.text.reveal();
        gatekeeper.install(std::make_shared<const KeyTable>(std::vector<ApiKey>{
            {.access = std::move(access),
             .hash = made.hash,
             .expires_at = {},
             .meter = std::make_shared<KeyMeter>(KeyLimits{})}
        }));
    }

    std::string text;
    SystemClock key_clock;
    KeyDesk desk;
    KeyGatekeeper gatekeeper{desk, key_clock, Loopback::open};
};

class MissWait : public testing::GatewayFixture {
protected:
    explicit MissWait(GatewayPolicy policy = patient(), Gatekeeper* gatekeeper = nullptr)
        : GatewayFixture{policy, gatekeeper} {
        told_.looks = true;
    }

    static GatewayPolicy patient() {
        GatewayPolicy policy;
        policy.look_wait = testing::kPatience;
        policy.look_places = 1;
        return policy;
    }

    net::FetchRequest wants(std::string_view model) const {
        net::FetchRequest request = chat();
        request.body = fmt::format(R"({{"model":"{}"}})", model);
        return request;
    }

    // With the lists as they are after so many looks.
    RoutingTable looked(std::uint64_t looks, std::string model = "m") const {
        RoutingTable table = serving(1, std::move(model));
        table.looks = looks;
        return table;
    }

    std::int64_t looking() const { return counters_.at(0).looking.load(); }
};

TEST_F(MissWait, AModelThatTheListsHaveByNowIsServed) {
    install(looked(0));
    run([&]() -> Task<void> {
        const auto answer = ask_aside(wants("new"));
        EXPECT_TRUE(co_await until([&] { return looking() == 1; }));
        EXPECT_EQ(told_.reached, std::vector{Reach::everywhere});
        install(looked(0));
        co_await settle();
        EXPECT_FALSE(*answer) << "another table says nothing of the look";
        install(looked(0, "new"));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 200) << "found before the look is over";
    });
}

TEST_F(MissWait, WhatNobodyHasIsA404WhenTheLookIsOver) {
    install(looked(7));
    run([&]() -> Task<void> {
        const auto answer = ask_aside(wants("nobody"));
        EXPECT_TRUE(co_await until([&] { return looking() == 1; }));
        install(looked(8));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 404);
        EXPECT_NE((*answer)->body.find("model_not_found"), std::string::npos);
        // It has just been done: the next one is told at once.
        const auto again = co_await ask(wants("nobody"));
        EXPECT_EQ(again.status, 404);
        EXPECT_EQ(told_.reached.size(), 1U);
    });
}

TEST_F(MissWait, AModelThatIsOnItsWayAfterTheLookIsWaitedForAsAnyOther) {
    install(looked(0));
    run([&]() -> Task<void> {
        net::FetchRequest request = wants("new");
        request.headers.emplace_back("Prefer", "wait=60");
        const auto answer = ask_aside(std::move(request));
        EXPECT_TRUE(co_await until([&] { return looking() == 1; }));
        RoutingTable table = looked(1);
        table.known_models.emplace_back("new");
        table.loading = Loading{.phase = "starting"};
        install(std::move(table));
        EXPECT_TRUE(co_await until([&] { return waiting() == 1; }));
        install(looked(1, "new"));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 200);
    });
}

TEST_F(MissWait, ThePlacesAreFewAndALeavingClientFreesIts) {
    install(looked(0));
    run([&]() -> Task<void> {
        auto connection = co_await net::dial(gateway_, clock_, Deadline::in(clock_, 2s));
        const std::string body = R"({"model":"nobody"})";
        (*connection)->expire_at(clock_.now() + 10s);
        EXPECT_TRUE(co_await (*connection)
                        ->write(fmt::format(
                            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
                            "{}\r\n\r\n{}",
                            body.size(), body
                        )));
        EXPECT_TRUE(co_await until([&] { return looking() == 1; }));
        EXPECT_EQ((co_await ask(wants("nobody"))).status, 404) << "no place: told at once";
        connection->reset();
        EXPECT_TRUE(co_await until([&] { return looking() == 0; }));
        EXPECT_TRUE(co_await until([&] { return counters_.at(0).client_left.load() == 1; }));
    });
}

TEST_F(MissWait, ShowOfOllamasApiLooksAsWell) {
    install(looked(0));
    run([&]() -> Task<void> {
        net::FetchRequest request = wants("new");
        request.target = "/api/show";
        const auto answer = ask_aside(std::move(request));
        EXPECT_TRUE(co_await until([&] { return looking() == 1; }));
        install(looked(1, "new"));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 200);
    });
}

class ImpatientMiss : public MissWait {
protected:
    ImpatientMiss() : MissWait{impatient()} {}

    static GatewayPolicy impatient() {
        GatewayPolicy policy;
        policy.look_wait = 20ms;
        return policy;
    }
};

TEST_F(ImpatientMiss, ALookThatNeverEndsKeepsNobodyForEver) {
    install(looked(0));
    run([&]() -> Task<void> {
        EXPECT_EQ((co_await ask(wants("nobody"))).status, 404);
        EXPECT_EQ(told_.reached.size(), 1U);
    });
}

TEST_F(ImpatientMiss, NobodyLooksAndNobodyWaits) {
    told_.looks = false;
    install(looked(0));
    run([&]() -> Task<void> {
        EXPECT_EQ((co_await ask(wants("nobody"))).status, 404);
        EXPECT_EQ((co_await ask(wants("nobody"))).status, 404);
        EXPECT_EQ(told_.reached.size(), 2U) << "it is asked every time";
    });
}

class NeverCloudMiss : public NeverCloudKey, public MissWait {
protected:
    NeverCloudMiss() : MissWait{patient(), &gatekeeper} {}
};

TEST_F(NeverCloudMiss, AKeyThatNeverLeavesHasNoCloudAskedForItsList) {
    install(looked(0));
    run([&]() -> Task<void> {
        net::FetchRequest request = wants("nobody");
        request.headers.emplace_back("Authorization", "Bearer " + text);
        const auto answer = ask_aside(std::move(request));
        EXPECT_TRUE(co_await until([&] { return looking() == 1; }));
        EXPECT_EQ(told_.reached, std::vector{Reach::here});
        install(looked(1));
        EXPECT_TRUE(co_await until([&] { return answer->has_value(); }));
        EXPECT_EQ((*answer)->status, 404);
    });
}

}  // namespace
}  // namespace nova::gateway

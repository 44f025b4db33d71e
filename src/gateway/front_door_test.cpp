#include <gtest/gtest.h>

#include "gateway/front_door.hpp"

namespace nova::gateway {
namespace {

const net::Peer kNeighbour{.address = "127.0.0.1", .port = 5000, .loopback = true};
const net::Peer kStranger{.address = "192.0.2.7", .port = 5000, .loopback = false};

class Seen final : public RequestObserver {
public:
    void ended(const RequestRecord& record) override {
        statuses.push_back(record.status);
        ids.emplace_back(record.request_id);
        whys.emplace_back(record.why);
    }

    void gave_up(std::string_view, std::string_view) override {}

    std::vector<int> statuses;
    std::vector<std::string> ids;
    std::vector<std::string> whys;
};

class FrontDoorTest : public testing::Test {
protected:
    FrontDoorTest() {
        const NewKey made = make_key();
        key_ = made.text.reveal();
        auto access = std::make_shared<Access>();
        access->key_id = made.id;
        std::vector<ApiKey> keys;
        keys.push_back(
            {.access = std::move(access),
             .hash = made.hash,
             .expires_at = {},
             .meter = std::make_shared<KeyMeter>(KeyLimits{})}
        );
        keepers_.install(std::make_shared<const KeyTable>(std::move(keys)));
    }

    bool
    may(std::string_view target, const net::Peer& peer, std::string_view key = {},
        std::string_view other = {}, std::string_view method = "GET") {
        net::RequestHead head{.method = method, .target = target};
        if (!key.empty()) {
            head.headers.add("x-api-key", key);
        }
        if (!other.empty()) {
            head.headers.add(other, "1");
        }
        return !door_.admit(head, peer).has_value();
    }

    static std::optional<Error> no_evil(const net::RequestHead& head, const net::Peer&) {
        if (head.headers.has("X-Evil")) {
            return Error{.code = ErrorCode::forbidden, .message = "No."};
        }
        return std::nullopt;
    }

    VirtualClock clock_;
    KeyDesk desk_;
    KeyGatekeeper keepers_{desk_, clock_, Loopback::open};
    Seen seen_;
    FrontDoor door_{&no_evil, keepers_, seen_, clock_, Loopback::open};
    std::string key_;
};

TEST_F(FrontDoorTest, OnlyLiveAndReadyAreOpenToEverybody) {
    for (const std::string_view path :
         {"/health/live", "/health/ready", "/v1/health/live", "/v1/health/ready?x=1"}) {
        EXPECT_TRUE(may(path, kStranger)) << path;
    }
    for (const std::string_view path :
         {"/v1/models", "/v1/chat/completions", "/api/tags", "/metrics", "/health/inflight", "/",
          "/health", "/health/live/", "/health/live/..", "/HEALTH/LIVE", "/health//live", "", "*",
          "/health/live%2f..%2fmetrics"}) {
        EXPECT_FALSE(may(path, kStranger)) << path;
        EXPECT_TRUE(may(path, kStranger, key_)) << path;
    }
}

TEST_F(FrontDoorTest, WhatTheRelayServesIsLeftToItAndNothingElse) {
    EXPECT_TRUE(may("/v1/chat/completions", kStranger, {}, {}, "POST"));
    EXPECT_FALSE(may("/v1/chat/completions", kStranger, {}, {}, "GET"));
    EXPECT_FALSE(may("/v1/chat/completions/", kStranger, {}, {}, "POST"));
    EXPECT_FALSE(may("/v1/models", kStranger, {}, {}, "POST"));
    EXPECT_FALSE(may("/api/show", kStranger, {}, {}, "POST"));
    EXPECT_FALSE(may("/health/live", kStranger, {}, {}, "POST"));
}

TEST_F(FrontDoorTest, FiguresAreForThisMachineOrAKey) {
    for (const std::string_view path : {"/metrics", "/health/inflight", "/v1/health/providers"}) {
        EXPECT_TRUE(may(path, kNeighbour)) << path;
        EXPECT_FALSE(may(path, kNeighbour, {}, "X-Forwarded-For")) << path;
        EXPECT_FALSE(may(path, kStranger)) << path;
    }
    EXPECT_FALSE(may("/v1/models", kNeighbour)) << "there is a key, so loopback needs one";
}

TEST_F(FrontDoorTest, FiguresNeedAKeyWhereLoopbackIsNotOpen) {
    FrontDoor closed{&no_evil, keepers_, seen_, clock_, Loopback::closed};
    EXPECT_TRUE(closed.admit({.method = "GET", .target = "/metrics"}, kNeighbour));
    EXPECT_FALSE(closed.admit({.method = "GET", .target = "/health/live"}, kNeighbour));
}

TEST_F(FrontDoorTest, RulesAboutHostsComeFirst) {
    EXPECT_FALSE(may("/health/live", kNeighbour, key_, "X-Evil"));
    EXPECT_TRUE(seen_.statuses.empty()) << "no request of ours";
}

TEST_F(FrontDoorTest, WritesARefusalDownWithoutWhatTheClientMadeUp) {
    net::RequestHead head{.method = "GET", .target = "/secret-path"};
    head.headers.add("X-Request-Id", "abc-123");
    head.headers.add("x-api-key", "nova_0_wrong");
    EXPECT_TRUE(door_.admit(head, kStranger));
    head.headers.clear();
    head.headers.add("X-Request-Id", "bad id\"");
    EXPECT_TRUE(door_.admit(head, kStranger));
    EXPECT_EQ(seen_.statuses, (std::vector<int>{401, 401}));
    EXPECT_EQ(seen_.ids, (std::vector<std::string>{"abc-123", ""}));
    EXPECT_EQ(seen_.whys, (std::vector<std::string>{"invalid_api_key", "invalid_api_key"}));
}

}  // namespace
}  // namespace nova::gateway

#include <gtest/gtest.h>

#include "gateway/api_keys.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

const net::Peer kNeighbour{.address = "127.0.0.1", .port = 5000, .loopback = true};
const net::Peer kStranger{.address = "192.0.2.7", .port = 5000, .loopback = false};

class KeyGatekeeperTest : public testing::Test {
protected:
    struct Made {
        std::string id;
        std::string text;
    };

    // A key of the user's, in the table.
    Made key(KeyLimits limits = {}, std::optional<WallTime> expires_at = {}) {
        NewKey made = make_key();
        add(made, limits, expires_at);
        return {made.id, made.text.reveal()};
    }

    void add(const NewKey& made, KeyLimits limits, std::optional<WallTime> expires_at) {
        auto access = std::make_shared<Access>();
        access->key_id = made.id;
        access->key_name = "of " + made.id;
        keys_.push_back(
            {.access = std::move(access),
             .hash = made.hash,
             .expires_at = expires_at,
             .meter = std::make_shared<KeyMeter>(limits)}
        );
        gatekeeper_.install(std::make_shared<const KeyTable>(keys_));
    }

    using Fields = std::vector<std::pair<std::string, std::string>>;

    net::RequestHead& head(const Fields& fields) {
        fields_ = fields;
        head_.headers.clear();
        for (const auto& [name, value] : fields_) {
            head_.headers.add(name, value);
        }
        return head_;
    }

    Result<std::shared_ptr<const Access>>
    admit(const Fields& fields, const net::Peer& peer = kNeighbour) {
        return gatekeeper_.admit(head(fields), peer);
    }

    ErrorCode refusal(const Fields& fields, const net::Peer& peer = kNeighbour) {
        const auto admitted = admit(fields, peer);
        EXPECT_FALSE(admitted);
        return admitted ? ErrorCode::internal : admitted.error().code;
    }

    VirtualClock clock_;
    KeyDesk desk_;
    KeyGatekeeper gatekeeper_{desk_, clock_, Loopback::open};
    std::vector<ApiKey> keys_;
    Fields fields_;
    net::RequestHead head_{.method = "POST", .target = "/v1/chat/completions"};
};

TEST(ApiKey, IsLongRandomAndNamesItsId) {
    const NewKey one = make_key();
    const NewKey other = make_key();
    EXPECT_NE(one.id, other.id);
    EXPECT_NE(one.text.reveal(), other.text.reveal());
    EXPECT_EQ(id_of_key(one.text.reveal()), one.id);
    EXPECT_EQ(one.text.reveal().size(), 5U + 12U + 1U + 48U);
    EXPECT_EQ(one.hash, hash_of_key(one.text.reveal()));
}

TEST(ApiKey, OfNoKeyThereIsNoId) {
    for (const std::string_view text :
         {"", "nova_", "nova_abc", "sk-abc_def", "NOVA_a_b", "_", "nova"}) {
        EXPECT_EQ(id_of_key(text), "") << text;
    }
    EXPECT_EQ(id_of_key("nova_" + std::string(5000, 'a') + "_b"), "");
}

TEST_F(KeyGatekeeperTest, IsOpenToLoopbackWhileThereIsNoKey) {
    const auto nobody = admit({});
    ASSERT_TRUE(nobody);
    EXPECT_EQ((*nobody)->key_id, "");
    EXPECT_TRUE(admit({{"Authorization", "Bearer whatever-the-client-must-send"}}));
    EXPECT_EQ(refusal({}, kStranger), ErrorCode::unauthorized);
}

TEST_F(KeyGatekeeperTest, AProxysRequestIsNobodysNeighbour) {
    for (const char* name : {"X-Forwarded-For", "Forwarded", "Via"}) {
        EXPECT_EQ(refusal({{name, "for=192.0.2.1"}}), ErrorCode::unauthorized) << name;
    }
}

TEST_F(KeyGatekeeperTest, ClosedToLoopbackWhenTheSettingSaysSo) {
    KeyGatekeeper closed{desk_, clock_, Loopback::closed};
    EXPECT_FALSE(closed.admit(head({}), kNeighbour));
}

TEST_F(KeyGatekeeperTest, TheFirstKeyEndsTheOpenTime) {
    const Made made = key();
    EXPECT_EQ(refusal({}), ErrorCode::unauthorized);
    const auto admitted = admit({{"Authorization", "Bearer " + made.text}}, kStranger);
    ASSERT_TRUE(admitted);
    EXPECT_EQ((*admitted)->key_id, made.id);
}

TEST_F(KeyGatekeeperTest, TheInternalKeyDoesNotEndTheOpenTime) {
    const NewKey internal = make_key(kInternalKeyId);
    add(internal, {}, {});
    EXPECT_TRUE(admit({}));
    const auto own = admit({{"x-api-key", internal.text.reveal()}}, kStranger);
    ASSERT_TRUE(own);
    EXPECT_EQ((*own)->key_id, kInternalKeyId);
}

TEST_F(KeyGatekeeperTest, ReadsBearerInAnySpellingAndXApiKey) {
    const Made made = key();
    for (const std::string& value :
         {"Bearer " + made.text, "bearer " + made.text, "BEARER\t  " + made.text + "  "}) {
        EXPECT_TRUE(admit({{"authorization", value}})) << value;
    }
    EXPECT_TRUE(admit({{"X-Api-Key", made.text}}));
    EXPECT_TRUE(admit({{"Authorization", "Bearer x"}, {"x-api-key", made.text}}));
}

// Trap 78, and the inputs that made other gateways panic.
TEST_F(KeyGatekeeperTest, RefusesHostileCredentials) {
    const Made made = key();
    const std::string longer(20'000, 'x');
    for (const std::string& value :
         {std::string{"Bearer"}, std::string{"Bearer "}, std::string{"Bearer\t"},
          "Basic " + made.text, "Bearer" + made.text, made.text, "Bearer " + made.text + "x",
          "Bearer " + made.text.substr(0, made.text.size() - 1), "Bearer nova_" + made.id + "_",
          "Bearer nova_" + made.id, "Bearer nova_" + made.id + "_" + longer,
          std::string{"Bearer nova_internal_"}, std::string{" , "},
          std::string{"Bearer \xff\xfe"}}) {
        const ErrorCode code = refusal({{"Authorization", value}});
        EXPECT_TRUE(code == ErrorCode::unauthorized || code == ErrorCode::rate_limited) << value;
    }
}

TEST_F(KeyGatekeeperTest, AnExpiredKeyIsRefused) {
    const Made made = key({}, clock_.wall_now() + 1h);
    const Fields fields{{"x-api-key", made.text}};
    EXPECT_TRUE(admit(fields));
    clock_.advance(1h);
    EXPECT_EQ(refusal(fields), ErrorCode::unauthorized);
    EXPECT_EQ(desk_.refused.expired, 1U);
}

TEST_F(KeyGatekeeperTest, ARevokedKeyIsRefusedFromTheNextTableOn) {
    const Made made = key();
    const Made other = key();
    std::erase_if(keys_, [&](const ApiKey& one) { return one.access->key_id == made.id; });
    gatekeeper_.install(std::make_shared<const KeyTable>(keys_));
    EXPECT_EQ(refusal({{"x-api-key", made.text}}), ErrorCode::unauthorized);
    EXPECT_TRUE(admit({{"x-api-key", other.text}}));
}

TEST_F(KeyGatekeeperTest, SlowsGuessingDownButNeverARightKey) {
    const Made made = key();
    const Fields wrong{{"x-api-key", "nova_0_1"}};
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(refusal(wrong, kStranger), ErrorCode::unauthorized) << i;
    }
    const auto throttled = admit(wrong, kStranger);
    ASSERT_FALSE(throttled);
    EXPECT_EQ(throttled.error().code, ErrorCode::rate_limited);
    EXPECT_EQ(throttled.error().retry_after, 60s);
    EXPECT_TRUE(admit({{"x-api-key", made.text}}, kStranger));
    EXPECT_EQ(refusal(wrong), ErrorCode::unauthorized) << "another address";
    clock_.advance(61s);
    EXPECT_EQ(refusal(wrong, kStranger), ErrorCode::unauthorized);
}

TEST_F(KeyGatekeeperTest, RefusalsQuoteNothingOfTheKey) {
    key();
    const auto refused = admit({{"x-api-key", "nova_0_canary-canary"}});
    ASSERT_FALSE(refused);
    const Error& error = refused.error();
    EXPECT_EQ((error.message + error.remedy + error.word).find("canary"), std::string::npos);
    EXPECT_EQ(error.word, "invalid_api_key");
}

TEST_F(KeyGatekeeperTest, HoldsAKeyToItsLimits) {
    const Made made = key({.requests_per_minute = 2, .tokens_per_minute = 100});
    const auto access = *admit({{"x-api-key", made.text}});
    EXPECT_TRUE(gatekeeper_.enter(*access));
    EXPECT_TRUE(gatekeeper_.enter(*access));
    const auto refused = gatekeeper_.enter(*access);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::rate_limited);
    EXPECT_EQ(refused.error().word, "rate_limit_exceeded");
    EXPECT_EQ(refused.error().retry_after, 30s);
    EXPECT_EQ(desk_.refused.requests, 1U);
    gatekeeper_.leave(*access);
    gatekeeper_.leave(*access);
    EXPECT_EQ(keys_.front().meter->running(), 0U);
    clock_.advance(30s);
    gatekeeper_.spend(*access, 200);
    EXPECT_FALSE(gatekeeper_.enter(*access));
    EXPECT_EQ(desk_.refused.tokens, 1U);
    EXPECT_EQ(gatekeeper_.rates(*access).tokens->remaining, 0U);
}

TEST_F(KeyGatekeeperTest, TwoWorkersShareOneKeysLimits) {
    const Made made = key({.requests_per_minute = 1});
    KeyGatekeeper other{desk_, clock_, Loopback::open};
    other.install(std::make_shared<const KeyTable>(keys_));
    const auto access = *admit({{"x-api-key", made.text}});
    EXPECT_TRUE(other.enter(*access));
    EXPECT_FALSE(gatekeeper_.enter(*access));
}

TEST_F(KeyGatekeeperTest, NobodyHasNoLimits) {
    const auto nobody = *admit({});
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(gatekeeper_.enter(*nobody));
        gatekeeper_.spend(*nobody, 1'000'000);
    }
    gatekeeper_.leave(*nobody);
    EXPECT_FALSE(gatekeeper_.rates(*nobody).requests);
}

}  // namespace
}  // namespace nova::gateway

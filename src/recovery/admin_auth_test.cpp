// The admin secret, right and wrong.
#include <gtest/gtest.h>

#include "recovery/admin_auth.hpp"

namespace nova::recovery {
namespace {

class AdminAuthTest : public testing::Test {
protected:
    Result<void>
    ask(std::string_view name, std::string_view value, const std::string& address = "10.0.0.1") {
        net::Headers headers;
        if (!name.empty()) {
            headers.add(name, value);
        }
        return auth_.check(headers, {.address = address, .port = 1, .loopback = false});
    }

    VirtualClock clock_;
    AdminAuth auth_{Secret{"b7e0d3f2a9c84410"}, clock_};
};

TEST_F(AdminAuthTest, TakesTheSecretInEitherHeader) {
    EXPECT_TRUE(ask("x-admin-secret", "b7e0d3f2a9c84410"));
    EXPECT_TRUE(ask("Authorization", "Bearer b7e0d3f2a9c84410"));
    EXPECT_TRUE(ask("authorization", "bearer b7e0d3f2a9c84410"));
    for (const auto& [name, value] :
         {std::pair{"", ""},
          {"X-Admin-Secret", ""},
          {"X-Admin-Secret", "b7e0d3f2a9c8441"},
          {"X-Admin-Secret", "b7e0d3f2a9c844100"},
          {"Authorization", "b7e0d3f2a9c84410"},
          {"Authorization", "Basic b7e0d3f2a9c84410"},
          {"Cookie", "b7e0d3f2a9c84410"}}) {
        const auto refused = ask(name, value, std::string{"10.0.1."} + name + value);
        ASSERT_FALSE(refused) << name << value;
        EXPECT_EQ(refused.error().code, ErrorCode::unauthorized);
    }
}

TEST_F(AdminAuthTest, SlowsGuessingDownButNeverLocksOutTheRightSecret) {
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(ask("X-Admin-Secret", "guess").error().code, ErrorCode::unauthorized) << i;
    }
    const auto throttled = ask("X-Admin-Secret", "guess");
    EXPECT_EQ(throttled.error().code, ErrorCode::rate_limited);
    EXPECT_TRUE(throttled.error().retry_after.has_value());
    EXPECT_TRUE(ask("X-Admin-Secret", "b7e0d3f2a9c84410"));
    EXPECT_EQ(ask("X-Admin-Secret", "guess", "10.0.0.2").error().code, ErrorCode::unauthorized);
    clock_.advance(std::chrono::seconds{61});
    EXPECT_EQ(ask("X-Admin-Secret", "guess").error().code, ErrorCode::unauthorized);
}

TEST_F(AdminAuthTest, DoesNotCountRequestsWithoutASecret) {
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(ask("", "").error().code, ErrorCode::unauthorized);
    }
}

TEST(AdminAuth, AdmitsNobodyByAnEmptySecret) {
    VirtualClock clock;
    AdminAuth auth{Secret{}, clock};
    net::Headers headers;
    headers.add("X-Admin-Secret", "");
    EXPECT_FALSE(auth.check(headers, {.address = "127.0.0.1", .port = 1, .loopback = true}));
}

}  // namespace
}  // namespace nova::recovery

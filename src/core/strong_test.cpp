#include <gtest/gtest.h>

#include "core/secret.hpp"
#include "core/strong.hpp"
#include "core/units.hpp"

namespace nova {
namespace {

TEST(Endpoint, WritesIpv6InBracketsAndUnixSocketsByPath) {
    EXPECT_EQ((Endpoint{.host = "127.0.0.1", .port = 80}.text()), "127.0.0.1:80");
    EXPECT_EQ((Endpoint{.host = "::1", .port = 80}.text()), "[::1]:80");
    EXPECT_EQ((Endpoint{.host = "unix:/run/x.sock"}.text()), "unix:/run/x.sock");
}

TEST(Bytes, SubtractionSaturates) {
    EXPECT_EQ(mib(3) - mib(1), mib(2));
    EXPECT_EQ(mib(1) - gib(1), Bytes{0});
    EXPECT_EQ(kib(1024), mib(1));
}

TEST(Secret, MatchesOnlyItselfAndNeverWhenEmpty) {
    const Secret secret{"correct horse"};
    EXPECT_TRUE(secret.matches("correct horse"));
    EXPECT_FALSE(secret.matches("correct hors"));
    EXPECT_FALSE(secret.matches("correct horsecorrect horse"));
    EXPECT_FALSE(secret.matches(""));
    EXPECT_FALSE(Secret{}.matches(""));
}

}  // namespace
}  // namespace nova

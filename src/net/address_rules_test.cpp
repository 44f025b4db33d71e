#include <gtest/gtest.h>

#include "net/address_rules.hpp"
#include "net/dial.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

// Every spelling of 169.254.169.254 and of its neighbours that a resolver would take.
constexpr std::array kForbiddenHosts{
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "025177524776",
    "169.254.43518",
    "169.16689662",
    "169.254.169.254.",
    "[::ffff:169.254.169.254]",
    "::ffff:a9fe:a9fe",
    "0:0:0:0:0:ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fe80::1",
    "fe80::1%eth0",
    "FEBF::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata",
    "instance-data",
};

TEST(AddressRules, RefusesLinkLocalAndMetadataInEverySpelling) {
    for (const char* host : kForbiddenHosts) {
        const auto checked = check_host(host);
        ASSERT_FALSE(checked) << host;
        EXPECT_EQ(checked.error().name(), "address_not_allowed");
    }
}

TEST(AddressRules, LeavesTheRestInPeace) {
    for (const char* host :
         {"api.openai.com", "127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "[2001:db8::1]",
          "169.253.0.1", "169.255.0.1", "8.8.8.8", "64:ff9b::808:808", "localhost", "fec0::1",
          "metadata.example.com"}) {
        EXPECT_TRUE(check_host(host)) << host;
    }
}

TEST(AddressRules, KnowsItsOwnNetworks) {
    for (const char* host :
         {"127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1",
          "unix:/run/x"}) {
        EXPECT_TRUE(is_own_machine(host)) << host;
        EXPECT_TRUE(is_private_host(host)) << host;
    }
    for (const char* host :
         {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1",
          "::ffff:10.0.0.1"}) {
        EXPECT_FALSE(is_own_machine(host)) << host;
        EXPECT_TRUE(is_private_host(host)) << host;
    }
    for (const char* host : {"172.32.0.1", "11.0.0.1", "api.openai.com", "2001:db8::1", ""}) {
        EXPECT_FALSE(is_private_host(host)) << host;
    }
}

// What was checked is what is connected to: the look is at the resolved address.
TEST(AddressRules, DialNeverConnectsToOne) {
    asio::io_context io{1};
    testing::run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        for (const char* host : {"169.254.169.254", "0xa9fea9fe", "::ffff:169.254.169.254"}) {
            Endpoint endpoint{.host = host, .port = 80};
            const auto connection =
                co_await dial(std::move(endpoint), clock, Deadline::in(clock, testing::kPatience));
            EXPECT_FALSE(connection) << host;
            if (!connection) {
                EXPECT_EQ(connection.error().name(), "address_not_allowed") << host;
            }
        }
    });
}

}  // namespace
}  // namespace nova::net

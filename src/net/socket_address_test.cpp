// Who counts as loopback, and which endpoints need no resolver.
#include <gtest/gtest.h>

#include "net/socket_address.hpp"

namespace nova::net {
namespace {

struct Row {
    std::string_view host;
    std::string_view address;
    bool loopback;
};

TEST(SocketAddress, KnowsLoopbackHoweverItIsWritten) {
    const Row rows[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.9.9.9", "127.9.9.9", true},
        {"::1", "::1", true},
        {"[::1]", "::1", true},
        {"::ffff:127.0.0.1", "::ffff:127.0.0.1", true},
        {"::ffff:10.0.0.1", "::ffff:10.0.0.1", false},
        {"128.0.0.1", "128.0.0.1", false},
        {"0.0.0.0", "0.0.0.0", false},
        {"::", "::", false},
        {"unix:/run/nova.sock", "unix", true},
    };
    for (const Row& row : rows) {
        const auto address = literal_address({.host = std::string{row.host}, .port = 80});
        ASSERT_TRUE(address.has_value()) << row.host;
        const Peer peer = peer_of(*address);
        EXPECT_EQ(peer.address, row.address);
        EXPECT_EQ(peer.loopback, row.loopback) << row.host;
        EXPECT_EQ(peer.port, row.address == "unix" ? 0 : 80);
    }
}

TEST(SocketAddress, LeavesNamesToTheResolver) {
    for (const std::string_view host :
         {"localhost", "a.example", "127.1", "0x7f000001", "", "::g"}) {
        EXPECT_FALSE(literal_address({.host = std::string{host}}).has_value()) << host;
    }
    EXPECT_FALSE(literal_address({.host = "unix:" + std::string(200, 'x')}).has_value());
    EXPECT_FALSE(literal_address({.host = "unix:"}).has_value());
}

TEST(SocketAddress, ReadsAnEndpointBack) {
    for (const Endpoint& endpoint :
         {Endpoint{.host = "127.0.0.1", .port = 8001}, Endpoint{.host = "::1", .port = 1},
          Endpoint{.host = "unix:/run/nova.sock"}}) {
        EXPECT_EQ(endpoint_of(*literal_address(endpoint)), endpoint);
    }
}

}  // namespace
}  // namespace nova::net

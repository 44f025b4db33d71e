// The URL of a custom backend, well and badly formed.
#include <gtest/gtest.h>

#include "engine/custom_url.hpp"

namespace nova::engine {
namespace {

Result<CustomServer> take_apart(std::string url) {
    BackendSpec spec;
    spec.url = std::move(url);
    return custom_server_from(spec);
}

TEST(CustomUrl, DefaultsPortAndPath) {
    const auto server = take_apart("http://box");
    ASSERT_TRUE(server);
    EXPECT_EQ(server->endpoint, (Endpoint{.host = "box", .port = 80, .tls = false}));
    EXPECT_EQ(server->base_path, "/v1");
    EXPECT_EQ(server->auth_header_name, "Authorization");
}

TEST(CustomUrl, KeepsAPathWithoutItsTrailingSlash) {
    const auto server = take_apart("https://example.org:8443/openai/v1/");
    ASSERT_TRUE(server);
    EXPECT_EQ(server->endpoint, (Endpoint{.host = "example.org", .port = 8443, .tls = true}));
    EXPECT_EQ(server->base_path, "/openai/v1");
}

TEST(CustomUrl, RefusesWhatIsNotAnApiRoot) {
    for (const char* url :
         {"", "box:80", "ftp://box", "http://", "http://box:0", "http://box:99999",
          "http://u:p@box", "http://box/v1?x=1", "http://[::1", "http://[::1]x"}) {
        const auto server = take_apart(url);
        ASSERT_FALSE(server) << url;
        EXPECT_EQ(server.error().code, ErrorCode::unprocessable) << url;
    }
}

}  // namespace
}  // namespace nova::engine

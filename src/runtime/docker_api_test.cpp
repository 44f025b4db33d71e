// Versions, escapes and refusals; whole calls are tried on a real daemon in tests/docker.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "process/test_loop.hpp"
#include "runtime/docker_api.hpp"

namespace nova::runtime {
namespace {

TEST(DockerApi, AgreesOnTheNewestVersionThatBothKnow) {
    EXPECT_EQ(agreed_api_version("1.41"), "1.41");
    EXPECT_EQ(agreed_api_version("1.44"), "1.44");
    EXPECT_EQ(agreed_api_version("1.56"), "1.47");
    for (const char* old : {"1.40", "1.24", "", "2.0", "1.", "1.4x", "garbage"}) {
        EXPECT_FALSE(agreed_api_version(old)) << old;
    }
}

TEST(DockerApi, EscapesWhatHasAMeaningInAnAddress) {
    EXPECT_EQ(docker_escaped("nova-llamacpp_2.~"), "nova-llamacpp_2.~");
    EXPECT_EQ(docker_escaped("a/b?c=d&e%"), "a%2Fb%3Fc%3Dd%26e%25");
    EXPECT_EQ(
        docker_escaped("{\"label\":[\"x=\xc3\xa4\"]}"), "%7B%22label%22%3A%5B%22x%3D%C3%A4%22%5D%7D"
    );
}

TEST(DockerApi, ReadsTheMessageOfARefusal) {
    DockerReply reply{.status = 404};
    EXPECT_EQ(reply.message(), "");
    reply.json = std::make_shared<const Json>(Json{{"message", "No such container: x"}});
    EXPECT_FALSE(reply.ok());
    EXPECT_EQ(reply.message(), "No such container: x");
    reply.json = std::make_shared<const Json>(Json::array());
    EXPECT_EQ(reply.message(), "");
    EXPECT_TRUE((DockerReply{.status = 304}).ok());  // started already, stopped already
}

TEST(DockerApi, SaysWhereItFoundNobody) {
    process::TestLoop loop;
    SystemClock clock;
    DockerApi api{clock, "/nowhere/docker.sock"};
    const auto version = loop.await(api.version());
    ASSERT_FALSE(version);
    EXPECT_EQ(version.error().code, ErrorCode::unavailable);
    EXPECT_EQ(version.error().word, "docker_unavailable");
    EXPECT_TRUE(version.error().message.contains("/nowhere/docker.sock"));
}

}  // namespace
}  // namespace nova::runtime

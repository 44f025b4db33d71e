// What is special about a server that somebody else runs.
#include <gtest/gtest.h>

#include "process/test_loop.hpp"
#include "runtime/external_driver.hpp"

namespace nova::runtime {
namespace {

class External : public testing::Test {
protected:
    Result<InstanceHandle> start(Endpoint listen) {
        InstanceSpec spec;
        spec.identity = {{"install"}, {"local"}, {1}, {"3fa9"}};
        spec.name = "custom";
        spec.listen = std::move(listen);
        return loop_.await(driver_.start(std::move(spec)));
    }

    process::TestLoop loop_;
    ExternalDriver driver_;
};

TEST_F(External, IsWhereItsAddressSays) {
    const Endpoint endpoint{.host = "models.example", .port = 443, .tls = true};
    const auto handle = start(endpoint);
    ASSERT_TRUE(handle);
    EXPECT_EQ(handle->endpoint, endpoint);
    EXPECT_EQ(handle->runtime, RuntimeKind::external);
    EXPECT_TRUE(start({.host = "unix:/run/engine.sock"}));
}

TEST_F(External, NeedsAnAddress) {
    for (const Endpoint& endpoint : {Endpoint{.host = ""}, Endpoint{.host = "models.example"}}) {
        const auto handle = start(endpoint);
        ASSERT_FALSE(handle);
        EXPECT_EQ(handle.error().code, ErrorCode::invalid_argument);
    }
}

TEST_F(External, RunsNoCommandsThere) {
    const auto handle = start({.host = "models.example", .port = 80});
    const auto output = loop_.await(driver_.exec(*handle, {"true"}, Deadline::never()));
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().code, ErrorCode::unsupported);
    EXPECT_NE(output.error().message.find("custom"), std::string::npos);
}

}  // namespace
}  // namespace nova::runtime

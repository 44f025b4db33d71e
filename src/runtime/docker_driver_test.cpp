// A machine without Docker; with one, tests/docker runs the driver contract and the faults.
#include <gtest/gtest.h>

#include "process/test_loop.hpp"
#include "runtime/docker_driver.hpp"

namespace nova::runtime {
namespace {

TEST(DockerDriverAlone, SaysThatThereIsNoDaemonAndWhatToDo) {
    process::TestLoop loop;
    SystemClock clock;
    DockerDriver driver{loop.context().get_executor(), clock, {.socket = "/nowhere/docker.sock"}};
    const auto print = loop.await(driver.fingerprint());
    ASSERT_TRUE(print);
    EXPECT_FALSE(print->usable);
    EXPECT_TRUE(print->detail.contains("There is no Docker at /nowhere/docker.sock."));
    // Whether something of ours runs there nobody knows.
    const auto owned = loop.await(driver.list_owned({"install"}, {"local"}));
    ASSERT_FALSE(owned);
    EXPECT_EQ(owned.error().word, "docker_unavailable");
    InstanceSpec spec;
    spec.identity = {{"install"}, {"local"}, {1}, {"3fa9"}};
    spec.image = "x:1";
    EXPECT_EQ(loop.await(driver.prepare(spec, {})).error().code, ErrorCode::unavailable);
    EXPECT_EQ(loop.await(driver.start(spec)).error().code, ErrorCode::unavailable);
    spec.identity.install.value = "in/stall";
    EXPECT_EQ(loop.await(driver.start(spec)).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace nova::runtime

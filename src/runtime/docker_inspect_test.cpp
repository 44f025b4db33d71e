// Containers as daemons describe them, and what nova reads in that.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/docker_inspect.hpp"

namespace nova::runtime {
namespace {

// The members nova reads, as Docker 20.10 has them.
Json container() {
    return Json::parse(R"({
        "Id": "1a2b", "Name": "/nova-llamacpp",
        "State": {"Status": "running", "Running": true, "Paused": false, "OOMKilled": false,
                  "ExitCode": 0},
        "Config": {"StopSignal": "SIGINT", "StopTimeout": 20, "Labels": {
            "nova.install": "i", "nova.slot": "local", "nova.generation": "7", "nova.spec": "3fa9",
            "nova.log": "/data/logs/local-7.log"}},
        "NetworkSettings": {"Ports": {
            "8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49153"}]}}})");
}

TEST(DockerInspect, ReadsAnInstanceFromItsLabels) {
    const auto owned = owned_container(container());
    ASSERT_TRUE(owned);
    EXPECT_EQ(owned->handle.identity.marker(), "i/local/7/3fa9");
    EXPECT_EQ(owned->handle.name, "nova-llamacpp");
    EXPECT_EQ(owned->handle.container_id, "1a2b");
    EXPECT_EQ(owned->handle.endpoint.text(), "127.0.0.1:49153");
    EXPECT_EQ(owned->handle.log_path, "/data/logs/local-7.log");
    EXPECT_EQ(owned->handle.stop_signal, 2);
    EXPECT_EQ(owned->handle.grace, std::chrono::seconds{20});
    EXPECT_EQ(owned->status.state, InstanceStatus::State::running);
}

TEST(DockerInspect, TakesNothingWithoutEveryLabel) {
    for (const char* label : {"nova.install", "nova.slot", "nova.generation", "nova.spec"}) {
        Json one = container();
        one["Config"]["Labels"].erase(label);
        EXPECT_FALSE(owned_container(one)) << label;
    }
    Json one = container();
    one["Config"]["Labels"]["nova.generation"] = "seven";
    EXPECT_FALSE(owned_container(one));
    EXPECT_FALSE(owned_container(Json::parse(R"({"Config": {"Labels": null}})")));
    EXPECT_FALSE(owned_container(Json::array()));
}

TEST(DockerInspect, ReachesAContainerWithoutAPortByItsName) {
    Json one = container();
    one["NetworkSettings"]["Ports"]["8080/tcp"] = nullptr;
    EXPECT_EQ(owned_container(one)->handle.endpoint.text(), "nova-llamacpp:8080");
    one["NetworkSettings"].erase("Ports");
    EXPECT_EQ(owned_container(one)->handle.endpoint.port, 0);
}

struct Ending {
    bool oom;
    int code;
    std::string_view text;
};

TEST(DockerInspect, TellsHowItEnded) {
    constexpr Ending kEndings[] = {
        {false, 1, "exited with code 1"},
        {false, 137, "was killed by signal 9"},
        {true, 137, "was killed because memory ran out"},
        {true, 1, "exited with code 1"},
        {false, 127, "exited with code 127"},
    };
    for (const Ending& ending : kEndings) {
        Json one = container();
        one["State"] = {
            {"Status", "exited"},
            {"Running", false},
            {"OOMKilled", ending.oom},
            {"ExitCode", ending.code}
        };
        const InstanceStatus status = container_status(one);
        EXPECT_EQ(status.state, InstanceStatus::State::gone);
        ASSERT_TRUE(status.exit);
        EXPECT_EQ(status.exit->text(), ending.text);
    }
}

TEST(DockerInspect, TellsARemovalThatGoesOn) {
    Json one = container();
    one["State"] = {{"Status", "removing"}, {"Running", false}, {"ExitCode", 137}};
    EXPECT_EQ(container_status(one).exit->text(), "was removed by somebody else");
}

TEST(DockerInspect, TakesAPausedOneForRunningAndSaysSo) {
    Json one = container();
    one["State"]["Status"] = "paused";
    one["State"]["Paused"] = true;
    EXPECT_EQ(container_status(one).state, InstanceStatus::State::running);
    EXPECT_TRUE(container_status(one).paused);
    EXPECT_FALSE(container_status(container()).paused);
}

TEST(DockerInspect, TakesOneThatNeverStartedForGoneWithoutAnEnd) {
    Json one = container();
    one["State"] = {{"Status", "created"}, {"Running", false}, {"ExitCode", 0}};
    EXPECT_EQ(container_status(one).state, InstanceStatus::State::gone);
    EXPECT_FALSE(container_status(one).exit);
}

}  // namespace
}  // namespace nova::runtime

// Which containers of deploy/compose nova goes on with.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/docker_by_hand.hpp"

namespace nova::runtime {
namespace {

InstanceSpec wanted() {
    InstanceSpec spec;
    spec.identity = {{"install"}, {"local"}, {7}, {"3fa9"}};
    spec.name = "nova-llamacpp";
    spec.argv = {"--model", "/models-local/tiny.gguf", "--alias", "tiny"};
    spec.log_path = "/data/logs/local-7.log";
    spec.container.port = 8080;
    spec.grace = std::chrono::seconds{20};
    return spec;
}

Json service() {
    return Json::parse(R"({
        "Id": "abc", "Name": "/nova-llamacpp", "State": {"Status": "running", "Running": true},
        "Config": {
            "Labels": {"nova.compose": "true", "nova.engine": "llamacpp", "nova.slot": "local"},
            "Cmd": ["--model", "/models/tiny.gguf", "--port", "8080"]},
        "NetworkSettings": {"Ports": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}}
    })");
}

TEST(DockerByHand, GoesOnWithAServiceOfTheSameModel) {
    EXPECT_EQ(started_by_hand(service(), wanted()), ByHand::fits);
    const InstanceHandle handle = handle_by_hand(service(), wanted(), false);
    EXPECT_EQ(handle.container_id, "abc");
    EXPECT_EQ(handle.identity, wanted().identity);
    EXPECT_EQ(handle.endpoint, (Endpoint{.host = "127.0.0.1", .port = 8080, .tls = false}));
    EXPECT_EQ(handle.log_path, "/data/logs/local-7.log");
    EXPECT_EQ(handle.grace, std::chrono::seconds{20});
}

TEST(DockerByHand, ReachesItByNameOnACommonNetwork) {
    const InstanceHandle handle = handle_by_hand(service(), wanted(), true);
    EXPECT_EQ(handle.endpoint, (Endpoint{.host = "nova-llamacpp", .port = 8080, .tls = false}));
}

TEST(DockerByHand, SeesThatItServesAnotherModel) {
    Json other = service();
    other["Config"]["Cmd"][1] = "/models/other.gguf";
    EXPECT_EQ(started_by_hand(other, wanted()), ByHand::other_model);
    other["Config"]["Cmd"] = nullptr;
    EXPECT_EQ(started_by_hand(other, wanted()), ByHand::other_model);
}

TEST(DockerByHand, TakesAnEngineOfManyModelsAsItIs) {
    Json ollama = service();
    ollama["Config"]["Labels"]["nova.engine"] = "ollama";
    InstanceSpec spec = wanted();
    spec.name = "nova-ollama";
    spec.argv = {"serve"};
    EXPECT_EQ(started_by_hand(ollama, spec), ByHand::fits);
}

TEST(DockerByHand, LeavesOthersAlone) {
    Json stranger = service();
    stranger["Config"]["Labels"].erase("nova.compose");
    EXPECT_EQ(started_by_hand(stranger, wanted()), ByHand::no);
    Json slot = service();
    slot["Config"]["Labels"]["nova.slot"] = "embed";
    EXPECT_EQ(started_by_hand(slot, wanted()), ByHand::no);
    InstanceSpec second = wanted();
    second.name = "nova-llamacpp-2";
    EXPECT_EQ(started_by_hand(service(), second), ByHand::no);
    EXPECT_EQ(started_by_hand(Json(), wanted()), ByHand::no);
}

TEST(DockerByHand, MakesNothingItsOwnThatIsSomebodyElses) {
    Json stranger = service();
    stranger["Config"]["Labels"].erase("nova.compose");
    EXPECT_TRUE(as_ours(stranger, wanted().identity, "/log").is_null());
    EXPECT_TRUE(as_ours(Json(), wanted().identity, "/log").is_null());
    const Json ours = as_ours(service(), wanted().identity, "/log");
    EXPECT_EQ(ours["Config"]["Labels"]["nova.install"], "install");
    EXPECT_EQ(ours["Config"]["Labels"]["nova.log"], "/log");
}

TEST(DockerByHand, TellsWhatRunsToWhoWantedNothing) {
    Json container = service();
    container["Mounts"] = Json::parse(
        R"([{"Type": "volume", "Source": "/var/lib/docker/volumes/m/_data", "Destination": "/root"},
            {"Type": "bind", "Source": "/srv/gguf", "Destination": "/models"}])"
    );
    const auto found = service_by_hand(container, {"local"}, false);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->engine, "llamacpp");
    EXPECT_EQ(found->container, "nova-llamacpp");
    EXPECT_EQ(found->id, "abc");
    EXPECT_EQ(found->model, "/srv/gguf/tiny.gguf");
    EXPECT_EQ(found->endpoint, (Endpoint{.host = "127.0.0.1", .port = 8080, .tls = false}));
    const auto by_name = service_by_hand(container, {"local"}, true);
    EXPECT_EQ(by_name->endpoint, (Endpoint{.host = "nova-llamacpp", .port = 8080, .tls = false}));
    container["Config"]["Cmd"] = nullptr;
    EXPECT_EQ(service_by_hand(container, {"local"}, false)->model, "");
}

TEST(DockerByHand, TellsOfNothingElse) {
    EXPECT_FALSE(service_by_hand(service(), {"embed"}, false));
    Json stranger = service();
    stranger["Config"]["Labels"].erase("nova.compose");
    EXPECT_FALSE(service_by_hand(stranger, {"local"}, false));
    Json renamed = service();
    renamed["Name"] = "/mine";
    EXPECT_FALSE(service_by_hand(renamed, {"local"}, false));
    Json ended = service();
    ended["State"] = Json{{"Status", "exited"}, {"Running", false}};
    EXPECT_FALSE(service_by_hand(ended, {"local"}, false));
    EXPECT_FALSE(service_by_hand(Json(), {"local"}, false));
}

TEST(DockerByHand, LetsOneGoThatEnded) {
    Json ended = service();
    ended["State"] = Json{{"Status", "exited"}, {"Running", false}, {"ExitCode", 0}};
    EXPECT_EQ(started_by_hand(ended, wanted()), ByHand::ended);
}

}  // namespace
}  // namespace nova::runtime

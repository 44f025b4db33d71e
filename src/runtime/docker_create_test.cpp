// What a container is asked for, read part by part; whole bodies are golden files of engine.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/docker_create.hpp"

namespace nova::runtime {
namespace {

InstanceSpec engine() {
    InstanceSpec spec;
    spec.identity = {{"install"}, {"local"}, {7}, {"3fa9"}};
    spec.runtime = RuntimeKind::docker;
    spec.name = "nova-llamacpp";
    spec.image = "registry.example/llama:1";
    spec.accelerator = "cpu";
    spec.argv = {"--port", "{port}"};
    spec.env = {{"HOST", "0.0.0.0:{port}"}};
    spec.log_path = "/data/logs/local-7.log";
    spec.container.port = 8080;
    spec.grace = std::chrono::seconds{20};
    return spec;
}

TEST(DockerCreate, CarriesTheLabelsByWhichItIsFoundAgain) {
    const Json labels = docker_create_request(engine(), {}).at("Labels");
    EXPECT_EQ(labels.at("nova.install"), "install");
    EXPECT_EQ(labels.at("nova.slot"), "local");
    EXPECT_EQ(labels.at("nova.generation"), "7");
    EXPECT_EQ(labels.at("nova.spec"), "3fa9");
    EXPECT_EQ(labels.at("nova.log"), "/data/logs/local-7.log");
}

TEST(DockerCreate, SaysThePortInsideAndPublishesItOnLoopbackOnly) {
    InstanceSpec spec = engine();
    Json body = docker_create_request(spec, {});
    EXPECT_EQ(body.at("Cmd"), Json::array({"--port", "8080"}));
    EXPECT_EQ(body.at("Env"), Json::array({"HOST=0.0.0.0:8080"}));
    EXPECT_TRUE(body.at("ExposedPorts").contains("8080/tcp"));
    Json binding = body.at("HostConfig").at("PortBindings").at("8080/tcp").at(0);
    EXPECT_EQ(binding.at("HostIp"), "127.0.0.1");
    EXPECT_EQ(binding.at("HostPort"), "");  // a free one
    spec.listen.port = 11434;
    body = docker_create_request(spec, {});
    binding = body.at("HostConfig").at("PortBindings").at("8080/tcp").at(0);
    EXPECT_EQ(binding.at("HostPort"), "11434");
}

// The process driver searches every process of the machine for it.
TEST(DockerCreate, KeepsTheMarkerOfNativeEnginesOutOfTheEnvironment) {
    EXPECT_FALSE(docker_create_request(engine(), {}).dump().contains("NOVA_INSTANCE"));
}

TEST(DockerCreate, LeavesRestartsLogsAndHealthToNobodyElse) {
    const Json body = docker_create_request(engine(), {});
    const Json& config = body.at("HostConfig");
    EXPECT_EQ(config.at("RestartPolicy").at("Name"), "no");
    EXPECT_EQ(config.at("LogConfig").at("Config").at("max-size"), "10m");
    EXPECT_EQ(body.at("Healthcheck").at("Test"), Json::array({"NONE"}));
    EXPECT_EQ(body.at("StopSignal"), "SIGTERM");
    EXPECT_EQ(body.at("StopTimeout"), 20);
}

TEST(DockerCreate, GivesNvidiaDevicesByTheDriverOrByCdi) {
    InstanceSpec spec = engine();
    spec.accelerator = "cuda";
    const auto request = [&spec](bool cdi) {
        return docker_create_request(spec, {.cdi = cdi})
            .at("HostConfig")
            .at("DeviceRequests")
            .at(0);
    };
    Json driver = request(false);
    EXPECT_EQ(driver.at("Driver"), "nvidia");
    EXPECT_EQ(driver.at("Count"), -1);
    EXPECT_EQ(driver.at("Capabilities"), Json::array({Json::array({"gpu", "compute", "utility"})}));
    EXPECT_EQ(
        request(true), Json({{"Driver", "cdi"}, {"DeviceIDs", Json::array({"nvidia.com/gpu=all"})}})
    );
    spec.container.gpus = {"0", "1"};
    driver = request(false);
    EXPECT_EQ(driver.at("DeviceIDs"), Json::array({"0", "1"}));
    EXPECT_FALSE(driver.contains("Count"));  // both would be refused
    EXPECT_EQ(request(true).at("DeviceIDs"), Json::array({"nvidia.com/gpu=0", "nvidia.com/gpu=1"}));
}

TEST(DockerCreate, GivesRocmDevicesAndTheirGroupsByNumber) {
    InstanceSpec spec = engine();
    spec.accelerator = "rocm";
    const ContainerHost host{.rocm_devices = {"/dev/kfd", "/dev/dri"}, .rocm_groups = {44, 105}};
    const Json config = docker_create_request(spec, host).at("HostConfig");
    EXPECT_EQ(config.at("Devices").size(), 2U);
    EXPECT_EQ(config.at("Devices").at(0).at("PathOnHost"), "/dev/kfd");
    EXPECT_EQ(config.at("GroupAdd"), Json::array({"44", "105"}));
    EXPECT_EQ(config.at("SecurityOpt"), Json::array({"seccomp=unconfined"}));
    EXPECT_FALSE(config.contains("DeviceRequests"));
}

TEST(DockerCreate, GivesNoDeviceToAnEngineOnTheCpu) {
    const ContainerHost host{.cdi = true, .rocm_devices = {"/dev/kfd"}, .rocm_groups = {44}};
    const Json config = docker_create_request(engine(), host).at("HostConfig");
    EXPECT_FALSE(config.contains("DeviceRequests"));
    EXPECT_FALSE(config.contains("Devices"));
    EXPECT_FALSE(config.contains("ShmSize"));
    EXPECT_FALSE(config.contains("IpcMode"));
}

TEST(DockerCreate, SharesMemoryWhereTheEngineNeedsIt) {
    InstanceSpec spec = engine();
    spec.container.shared_memory = gib(16);
    spec.container.host_ipc = true;
    spec.container.locked_memory = true;
    const Json config = docker_create_request(spec, {}).at("HostConfig");
    EXPECT_EQ(config.at("ShmSize"), 17179869184U);
    EXPECT_EQ(config.at("IpcMode"), "host");
    EXPECT_EQ(config.at("Ulimits").at(0).at("Hard"), -1);
}

TEST(DockerCreate, MountsFoldersAsTheDaemonsMachineHasThem) {
    InstanceSpec spec = engine();
    spec.mounts = {
        {"/data/models", "/models"}, {"/srv/gguf", "/models-local", true}, {"cache", "/cache"}
    };
    const ContainerHost host{
        .paths = {{"/data", "/var/lib/docker/volumes/nova/_data"}, {"/da", "/wrong"}}
    };
    const Json mounts = docker_create_request(spec, host).at("HostConfig").at("Mounts");
    EXPECT_EQ(mounts.at(0).at("Source"), "/var/lib/docker/volumes/nova/_data/models");
    EXPECT_EQ(mounts.at(0).at("Type"), "bind");
    EXPECT_EQ(mounts.at(1).at("Source"), "/srv/gguf");
    EXPECT_EQ(mounts.at(1).at("ReadOnly"), true);
    EXPECT_EQ(mounts.at(2).at("Type"), "volume");
    EXPECT_EQ(mounts.at(2).at("Source"), "cache");
}

TEST(DockerCreate, JoinsTheNetworkOfANovaThatIsInAContainerItself) {
    const Json body = docker_create_request(engine(), {.network = "nova_default"});
    EXPECT_EQ(body.at("HostConfig").at("NetworkMode"), "nova_default");
    EXPECT_FALSE(body.at("HostConfig").contains("PortBindings"));
    const Json& joined = body.at("NetworkingConfig").at("EndpointsConfig").at("nova_default");
    EXPECT_EQ(joined.at("Aliases"), Json::array({"nova-llamacpp"}));
}

}  // namespace
}  // namespace nova::runtime

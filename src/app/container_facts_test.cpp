// A daemon of plain values on a made-up machine.
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/container_facts.hpp"
#include "core/random.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

class ContainerFactsTest : public testing::Test {
protected:
    ContainerFactsTest() : root_{fs::temp_directory_path() / ("nova-facts-" + random_hex(6))} {
        fs::create_directories(root_ / "var/lib/docker");
        answers_["/version"] = Json{{"Version", "28.2.2"}};
        answers_["/info"] = Json{{"DockerRootDir", "/var/lib/docker"}};
    }

    ~ContainerFactsTest() override {
        std::error_code code;
        fs::remove_all(root_, code);
    }

    void put(const fs::path& path, std::string_view text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream{root_ / path} << text;
        fs::permissions(root_ / path, fs::perms::owner_all);
    }

    Task<Result<Json>> answer(std::string path) {
        const auto at = answers_.find(path);
        if (at == answers_.end()) {
            co_return fail(ErrorCode::not_found, "no such thing");
        }
        co_return at->second;
    }

    engine::ContainerFacts facts(std::string image = {}) {
        asio::io_context context;
        std::optional<engine::ContainerFacts> found;
        ContainerPlace place{
            .roots = {.root = root_, .proc = root_ / "proc", .sys = root_ / "sys"},
            .program_folders = {(root_ / "usr/bin").string()},
        };
        DockerGet get = [this](std::string path) { return answer(std::move(path)); };
        asio::co_spawn(
            context, container_facts(std::move(get), std::move(place), std::move(image)),
            [&](std::exception_ptr error, engine::ContainerFacts value) {
                EXPECT_FALSE(error);
                found = std::move(value);
            }
        );
        context.run();
        return found.value_or(engine::ContainerFacts{});
    }

    fs::path root_;
    std::map<std::string, Result<Json>> answers_;
};

TEST_F(ContainerFactsTest, ReadsAPlainDaemon) {
    const auto found = facts("org/image:1");
    EXPECT_TRUE(found.daemon);
    EXPECT_EQ(found.version, "28.2.2");
    EXPECT_FALSE(found.podman);
    EXPECT_FALSE(found.nvidia_runtime);
    EXPECT_FALSE(found.nvidia_cdi);
    EXPECT_FALSE(found.kfd);
    EXPECT_EQ(found.images_folder, "/var/lib/docker");
    EXPECT_TRUE(found.images_free.has_value());
    EXPECT_EQ(found.image_here, false);
    answers_["/images/org/image:1/json"] = Json{{"Id", "sha256:1"}};
    EXPECT_EQ(facts("org/image:1").image_here, true);
    EXPECT_FALSE(facts().image_here.has_value());
}

TEST_F(ContainerFactsTest, SaysWhyNobodyAnswers) {
    answers_["/version"] = fail(ErrorCode::unavailable, "connect: Permission denied");
    const auto found = facts("org/image:1");
    EXPECT_FALSE(found.daemon);
    EXPECT_EQ(found.why_not, "connect: Permission denied");
    EXPECT_FALSE(found.image_here.has_value());
}

TEST_F(ContainerFactsTest, FindsEveryWayToGiveAnNvidiaGpu) {
    answers_["/info"] = Json{{"Runtimes", {{"nvidia", Json::object()}}}};
    EXPECT_TRUE(facts().nvidia_runtime);
    answers_["/info"] =
        Json{{"DiscoveredDevices", Json::array({Json{{"ID", "nvidia.com/gpu=0"}}})}};
    EXPECT_TRUE(facts().nvidia_cdi);
    answers_["/info"] = Json{{"CDISpecDirs", Json::array({"/etc/cdi", "/nowhere", 7})}};
    EXPECT_FALSE(facts().nvidia_cdi);
    put("etc/cdi/nvidia.yaml", "kind: nvidia.com/gpu\n");
    EXPECT_TRUE(facts().nvidia_cdi);
    EXPECT_EQ(facts().nvidia_hook, false);
    put("usr/bin/nvidia-cdi-hook", "#!/bin/sh\n");
    EXPECT_EQ(facts().nvidia_hook, true);
}

TEST_F(ContainerFactsTest, DoesNotTakeTheFilesOfItsOwnContainerForTheHosts) {
    put(".dockerenv", "");
    EXPECT_FALSE(facts().nvidia_hook.has_value());
}

TEST_F(ContainerFactsTest, RefusesBeforeAnythingIsStoppedAndOnlyForContainers) {
    const auto registry = engine::EngineRegistry::load({}).value();
    hardware::HardwareSnapshot machine{
        .gpus =
            {{.vendor = hardware::GpuVendor::nvidia, .name = "NVIDIA Example", .driver = "550.1"}},
    };
    answers_["/info"] = Json{{"Runtimes", {{"nvidia", Json::object()}}}};
    const auto asked = make_preflight(
        registry, [&machine] { return machine; },
        [this](std::string path) { return answer(std::move(path)); },
        {.roots = {.root = root_, .proc = root_ / "proc", .sys = root_ / "sys"}}
    );
    engine::BackendSpec wish;
    wish.engine = {"vllm"};
    runtime::InstanceSpec instance;
    instance.runtime = runtime::RuntimeKind::docker;
    instance.image = "vllm/vllm-openai:v0.23.0";
    instance.accelerator = "cuda";
    const auto word = [&] {
        asio::io_context context;
        std::string said = "nothing";
        asio::co_spawn(
            context, asked(wish, instance),
            [&](std::exception_ptr, Result<void> result) {
                said = result ? "ok" : result.error().word;
            }
        );
        context.run();
        return said;
    };
    EXPECT_EQ(word(), "gpu_driver_too_old");
    machine.gpus[0].driver = "590.44";
    EXPECT_EQ(word(), "ok");
    answers_["/version"] = fail(ErrorCode::unavailable, "nobody");
    EXPECT_EQ(word(), "docker_unavailable");
    instance.runtime = runtime::RuntimeKind::process;
    EXPECT_EQ(word(), "ok");
}

TEST_F(ContainerFactsTest, FindsNobodyBehindASocketThatIsNotThere) {
    asio::io_context context;
    SystemClock clock;
    std::optional<Result<Json>> answer;
    const DockerGet get = docker_get(clock, (root_ / "no.sock").string());
    asio::co_spawn(context, get("/version"), [&](std::exception_ptr, Result<Json> result) {
        answer = std::move(result);
    });
    context.run();
    ASSERT_TRUE(answer);
    EXPECT_FALSE(*answer);
}

TEST_F(ContainerFactsTest, KnowsPodman) {
    answers_["/version"] =
        Json{{"Version", "4.3.1"}, {"Components", Json::array({Json{{"Name", "Podman Engine"}}})}};
    EXPECT_TRUE(facts().podman);
}

}  // namespace
}  // namespace nova::app

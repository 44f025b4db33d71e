// What is found before anything is stopped, and what it says to do.
#include <algorithm>

#include <gtest/gtest.h>

#include "engine/engine_registry.hpp"
#include "engine/preflight.hpp"

namespace nova::engine {
namespace {

using hardware::GpuVendor;
using hardware::HardwareSnapshot;

const EngineSpec& vllm() {
    static const EngineRegistry loaded = EngineRegistry::load("").value();
    return *loaded.find("vllm");
}

runtime::InstanceSpec wanted(std::string accelerator) {
    runtime::InstanceSpec instance;
    instance.image = "vllm/vllm-openai:v0.23.0";
    instance.accelerator = std::move(accelerator);
    instance.container.image_size = gib(25);
    return instance;
}

HardwareSnapshot nvidia(const char* driver) {
    return {.gpus = {{.vendor = GpuVendor::nvidia, .name = "NVIDIA Example", .driver = driver}}};
}

ContainerFacts good() {
    return {
        .daemon = true,
        .version = "28.2",
        .nvidia_runtime = true,
        .kfd = true,
        .images_folder = "/var/lib/docker",
        .images_free = gib(100),
        .image_here = false,
    };
}

// The one check that failed, "" when none did.
std::string failure(
    const runtime::InstanceSpec& instance, const HardwareSnapshot& hardware,
    const ContainerFacts& facts
) {
    const auto refused = refusal_of(preflight(vllm(), instance, hardware, facts));
    if (refused) {
        return "";
    }
    const ErrorCode code = refused.error().code;
    const std::string& word = refused.error().word;
    EXPECT_EQ(code == ErrorCode::unavailable, word == "docker_unavailable");
    EXPECT_EQ(code == ErrorCode::exhausted, word == "disk_full");
    EXPECT_FALSE(refused.error().remedy.empty());
    return refused.error().word;
}

TEST(Preflight, PassesWhereEverythingIsThere) {
    const auto checks = preflight(vllm(), wanted("cuda"), nvidia("590.44.01"), good());
    EXPECT_EQ(checks.size(), 6U);
    for (const Check& check : checks) {
        EXPECT_EQ(check.verdict, CheckVerdict::ok) << check.name << ": " << check.detail;
    }
    EXPECT_EQ(failure(wanted("cpu"), {}, good()), "");
    EXPECT_EQ(failure(wanted("rocm"), {}, good()), "");
}

TEST(Preflight, SaysWhyDockerDoesNotAnswerAndLooksNoFurther) {
    ContainerFacts away;
    away.why_not = "connect: no such file or directory";
    EXPECT_EQ(preflight(vllm(), wanted("cuda"), nvidia("590"), away).size(), 1U);
    EXPECT_EQ(failure(wanted("cuda"), nvidia("590"), away), "docker_unavailable");
    EXPECT_TRUE(check_docker(away).remedy.contains("systemctl start docker"));
    away.why_not = "connect: Permission denied";
    EXPECT_TRUE(check_docker(away).remedy.contains("usermod -aG docker"));
}

TEST(Preflight, ChecksTheDiskOnlyForAnImageThatIsNotHere) {
    ContainerFacts facts = good();
    facts.images_free = gib(20);
    EXPECT_EQ(failure(wanted("cuda"), nvidia("590"), facts), "disk_full");
    facts.image_here = true;
    EXPECT_EQ(failure(wanted("cuda"), nvidia("590"), facts), "");
    facts.image_here = false;
    facts.images_free.reset();
    EXPECT_EQ(failure(wanted("cuda"), nvidia("590"), facts), "") << "unknown is no reason";
}

TEST(Preflight, ComparesTheDriverWithTheImagesCuda) {
    EXPECT_EQ(failure(wanted("cuda"), nvidia("550.90.07"), good()), "gpu_driver_too_old");
    EXPECT_EQ(failure(wanted("cuda"), nvidia("580.65.06"), good()), "");
    EXPECT_EQ(failure(wanted("cuda"), nvidia(""), good()), "");
    runtime::InstanceSpec other = wanted("cuda");
    other.image = "somebody/else:1";
    EXPECT_EQ(failure(other, nvidia("550.90.07"), good()), "") << "its CUDA is not known";
    EXPECT_EQ(failure(wanted("cpu"), nvidia("550.90.07"), good()), "") << "no GPU, no driver";
}

TEST(Preflight, KnowsEveryWayDockerGivesAGpu) {
    ContainerFacts facts = good();
    facts.nvidia_runtime = false;
    const auto verdict = [&] { return check_gpu_runtime("cuda", nvidia("590"), facts).verdict; };
    EXPECT_EQ(verdict(), CheckVerdict::warn) << "a daemon may know the hook without telling";
    facts.nvidia_hook = false;
    EXPECT_EQ(verdict(), CheckVerdict::fail);
    EXPECT_EQ(failure(wanted("cuda"), nvidia("590"), facts), "gpu_runtime_missing");
    facts.nvidia_hook = true;
    EXPECT_EQ(verdict(), CheckVerdict::ok);
    facts.nvidia_hook = false;
    facts.nvidia_cdi = true;
    EXPECT_EQ(verdict(), CheckVerdict::ok);
    facts.nvidia_cdi = false;
    facts.nvidia_runtime = true;
    facts.podman = true;
    EXPECT_EQ(verdict(), CheckVerdict::fail) << "Podman passes over all but CDI";
    facts.kfd = false;
    EXPECT_EQ(failure(wanted("rocm"), {}, facts), "gpu_runtime_missing");
    EXPECT_EQ(failure(wanted("cpu"), {}, facts), "");
}

TEST(Preflight, ChecksAPortThatMustBeThisOne) {
    ContainerFacts facts = good();
    facts.port_free = false;
    runtime::InstanceSpec instance = wanted("cpu");
    EXPECT_EQ(failure(instance, {}, facts), "");
    instance.listen.port = 8000;
    EXPECT_EQ(failure(instance, {}, facts), "port_in_use");
}

}  // namespace
}  // namespace nova::engine

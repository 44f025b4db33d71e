// Devices: which of them, how many, and which this engine cannot use.
#include <gtest/gtest.h>

#include "engine/engine_registry.hpp"
#include "engine/launch_devices.hpp"

namespace nova::engine {
namespace {

using hardware::GpuDevice;
using hardware::GpuVendor;
using hardware::HardwareSnapshot;
using runtime::RuntimeKind;

const EngineSpec& engine(std::string_view name) {
    static const EngineRegistry loaded = EngineRegistry::load("").value();
    return *loaded.find(name);
}

GpuDevice card(unsigned index, const char* name, Bytes vram, const char* compute = "8.6") {
    return {
        .index = index,
        .vendor = GpuVendor::nvidia,
        .name = name,
        .vram = vram,
        .uuid = "GPU-" + std::to_string(index),
        .compute_capability = compute,
    };
}

DeviceChoice chosen(std::string_view name, const HardwareSnapshot& machine) {
    const auto choice = choose_devices(engine(name), machine, true, RuntimeKind::docker);
    EXPECT_TRUE(choice) << choice.error().message;
    return choice.value_or(DeviceChoice{});
}

std::string refusal(std::string_view name, const HardwareSnapshot& machine) {
    const auto choice = choose_devices(engine(name), machine, true, RuntimeKind::docker);
    return choice ? "" : choice.error().message;
}

TEST(LaunchDevices, SpreadsOverPowersOfTwoOfOneKind) {
    HardwareSnapshot machine;
    for (unsigned i = 0; i < 3; ++i) {
        machine.gpus.push_back(card(i, "A", gib(24)));
    }
    const DeviceChoice three = chosen("vllm", machine);
    EXPECT_EQ(three.count, 2U);
    EXPECT_EQ(three.ids, (std::vector<std::string>{"GPU-0", "GPU-1"}));
    machine.gpus.push_back(card(3, "A", gib(24)));
    EXPECT_EQ(chosen("vllm", machine).count, 4U);
    EXPECT_TRUE(chosen("vllm", machine).ids.empty()) << "all of them need not be named";
}

TEST(LaunchDevices, TakesTheKindWithTheMostMemory) {
    const HardwareSnapshot machine{.gpus = {card(0, "Small", gib(6)), card(1, "Big", gib(24))}};
    const DeviceChoice choice = chosen("vllm", machine);
    EXPECT_EQ(choice.count, 1U);
    EXPECT_EQ(choice.ids, std::vector<std::string>{"GPU-1"});
    EXPECT_EQ(choice.indices, std::vector<unsigned>{1});
    EXPECT_EQ(choice.memory, gib(24));
    EXPECT_TRUE(chosen("llamacpp", machine).ids.empty()) << "layers are shared over all";
    EXPECT_EQ(chosen("llamacpp", machine).count, 2U);
}

TEST(LaunchDevices, GivesASliceOfAPartitionedCard) {
    HardwareSnapshot machine{.gpus = {card(0, "H100", gib(80), "9.0")}};
    machine.gpus[0].mig_enabled = true;
    machine.gpus[0].mig = {
        {.profile = "3g.40gb", .uuid = "MIG-a"}, {.profile = "1g", .uuid = "MIG-b"}
    };
    const DeviceChoice choice = chosen("vllm", machine);
    EXPECT_EQ(choice.ids, std::vector<std::string>{"MIG-a"});
    EXPECT_FALSE(choice.memory.has_value());
}

TEST(LaunchDevices, PassesOverTheGraphicsOfTheProcessor) {
    HardwareSnapshot machine{
        .gpus =
            {
                {.index = 0,
                 .vendor = GpuVendor::amd,
                 .name = "iGPU",
                 .vram = mib(512),
                 .compute_capability = "gfx1036"},
            },
    };
    EXPECT_EQ(chosen("llamacpp", machine).accelerator, "cpu");
    machine.gpus.push_back(
        {.index = 1,
         .vendor = GpuVendor::amd,
         .name = "Radeon",
         .vram = gib(24),
         .compute_capability = "gfx1100"}
    );
    const DeviceChoice choice = chosen("llamacpp", machine);
    EXPECT_EQ(choice.accelerator, "rocm");
    EXPECT_EQ(choice.count, 1U);
    EXPECT_EQ(choice.ids, std::vector<std::string>{"1"}) << "or the engine takes both";
}

TEST(LaunchDevices, RefusesWhatTheEngineCannotUse) {
    const HardwareSnapshot old{.gpus = {card(0, "Tesla K80", gib(11), "3.7")}};
    EXPECT_EQ(refusal("vllm", old), "vLLM needs compute capability 7.5; Tesla K80 has 3.7.");
    const HardwareSnapshot radeon{
        .gpus =
            {{.vendor = GpuVendor::amd,
              .name = "Radeon",
              .vram = gib(24),
              .compute_capability = "gfx1100"}}
    };
    EXPECT_TRUE(refusal("sglang", radeon).contains("gfx1100")) << refusal("sglang", radeon);
    EXPECT_EQ(refusal("vllm", radeon), "");
    HardwareSnapshot none;
    EXPECT_TRUE(refusal("sglang", none).contains("amx_tile")) << refusal("sglang", none);
    none.cpu.flags = {"avx2", "amx_tile"};
    EXPECT_EQ(refusal("sglang", none), "");
    // A native program was built by somebody for this machine: images alone have lists.
    EXPECT_TRUE(choose_devices(engine("sglang"), radeon, true, RuntimeKind::process));
}

TEST(LaunchDevices, UsesNoGpuWhenNoneIsWanted) {
    const HardwareSnapshot machine{.gpus = {card(0, "A", gib(24))}};
    const auto choice = choose_devices(engine("llamacpp"), machine, false, RuntimeKind::docker);
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->accelerator, "cpu");
}

TEST(LeastFree, IsThatOfTheFullestDeviceTheEngineIsGiven) {
    std::vector<hardware::GpuStats> stats{
        {.index = 0, .uuid = "GPU-0", .vram_used = gib(20), .vram_total = gib(24)},
        {.index = 1, .uuid = "GPU-1", .vram_used = gib(1), .vram_total = gib(24)},
        {.index = 0, .vendor = GpuVendor::amd, .vram_used = mib(400), .vram_total = mib(512)},
    };
    const DeviceChoice all{.accelerator = "cuda", .count = 2};
    EXPECT_EQ(least_free(all, stats), gib(4));
    const DeviceChoice second{.accelerator = "cuda", .count = 1, .ids = {"GPU-1"}};
    EXPECT_EQ(least_free(second, stats), gib(23));
    const DeviceChoice radeon{.accelerator = "rocm", .count = 1, .ids = {"0"}};
    EXPECT_EQ(least_free(radeon, stats), mib(112));
    stats[0].vram_used.reset();
    EXPECT_EQ(least_free(all, stats), std::nullopt) << "one does not say";
    EXPECT_EQ(least_free(second, stats), gib(23));
    EXPECT_EQ(least_free(all, {}), std::nullopt);
}

TEST(MemoryFraction, IsWhatIsFreeAndNeverMoreThanTheData) {
    const DeviceChoice device{.accelerator = "cuda", .count = 1, .memory = gib(24)};
    EXPECT_EQ(memory_fraction(engine("vllm"), device, {}), "0.90");
    EXPECT_EQ(memory_fraction(engine("vllm"), device, gib(24)), "0.90");
    EXPECT_EQ(memory_fraction(engine("vllm"), device, gib(12)), "0.47");
    EXPECT_EQ(memory_fraction(engine("vllm"), device, Bytes{}), "0.10");
    EXPECT_EQ(memory_fraction(engine("sglang"), device, {}), "0.85");
    DeviceChoice shared = device;
    shared.unified = true;
    EXPECT_EQ(memory_fraction(engine("vllm"), shared, {}), "0.70");
    const DeviceChoice unknown{.accelerator = "cuda", .count = 1};
    EXPECT_EQ(memory_fraction(engine("vllm"), unknown, gib(1)), "0.90");
}

TEST(Versions, CompareByNumbers) {
    EXPECT_TRUE(older("7.5", "8.0"));
    EXPECT_TRUE(older("8.9", "12.1"));
    EXPECT_FALSE(older("8.0", "8.0"));
    EXPECT_FALSE(older("", "8.0"));
    EXPECT_FALSE(older("gfx90a", "8.0"));
}

}  // namespace
}  // namespace nova::engine

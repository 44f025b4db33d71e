// Both JSON schemas, and what a poorer detection may not erase.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "hardware/hardware_snapshot.hpp"

namespace nova::hardware {
namespace {

HardwareSnapshot workstation() {
    return {
        .gpus = {{
            .index = 0,
            .vendor = GpuVendor::nvidia,
            .name = "NVIDIA GeForce RTX 4080 SUPER",
            .vram = mib(16376),
            .driver = "590.44.01",
            .uuid = "GPU-1",
            .compute_capability = "8.9",
        }},
        .docker_gpu_runtime = DockerGpuRuntime::nvidia,
        .cpu =
            {.model = "Example CPU",
             .logical_cores = 16,
             .physical_cores = 8,
             .limit = {},
             .flags = {"avx2", "fma"}},
        .ram = gib(64),
        .ram_available = gib(50),
        .disk_free = gib(100),
        .detected_at = "2026-11-22T19:00:00.000Z",
        .source = "procfs,nvidia-smi",
    };
}

TEST(HardwareSnapshot, WritesBothSetsOfKeys) {
    const Json expected = Json::parse(R"({
        "gpus": [{"index": 0, "vendor": "nvidia", "name": "NVIDIA GeForce RTX 4080 SUPER",
                  "model": "NVIDIA GeForce RTX 4080 SUPER", "vram_bytes": 17171480576,
                  "vram_gb": 16.0, "driver": "590.44.01", "uuid": "GPU-1",
                  "compute_capability": "8.9"}],
        "docker_gpu_runtime": "nvidia",
        "cpu": {"model": "Example CPU", "cores": 16, "physical_cores": 8, "flags": ["avx2", "fma"]},
        "cpu_cores": 16, "ram_bytes": 68719476736, "ram_gb": 64,
        "ram_available_bytes": 53687091200, "disk_free_bytes": 107374182400, "disk_free_gb": 100,
        "detected_at": "2026-11-22T19:00:00.000Z", "source": "procfs,nvidia-smi"})");
    EXPECT_EQ(to_json(workstation()), expected);
}

TEST(HardwareSnapshot, ReadsBackWhatItWrote) {
    HardwareSnapshot snapshot = workstation();
    snapshot.cpu.limit = 2.5;
    snapshot.gpus.push_back(
        {.index = 1,
         .vendor = GpuVendor::nvidia,
         .name = "NVIDIA GB10",
         .unified_memory = true,
         .mig_enabled = true,
         .mig = {{"3g.40gb", "MIG-1"}}}
    );
    const auto back = snapshot_from_json(to_json(snapshot));
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(*back, snapshot);
}

TEST(HardwareSnapshot, ReadsTheFirstNovasFile) {
    const auto snapshot = snapshot_from_json(Json::parse(R"({
        "gpus": [{"vendor": "amd", "model": "Radeon Example", "vram_gb": 23.5, "index": 0},
                 {"vendor": "nvidia", "model": "Unknown memory", "vram_gb": 0, "index": 1}],
        "docker_gpu_runtime": "rocm", "cpu_cores": 12, "ram_gb": 31, "disk_free_gb": 200,
        "detected_at": "2025-01-01T00:00:00Z"})"));
    ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
    ASSERT_EQ(snapshot->gpus.size(), 2U);
    EXPECT_EQ(snapshot->gpus[0].vendor, GpuVendor::amd);
    EXPECT_EQ(snapshot->gpus[0].name, "Radeon Example");
    EXPECT_EQ(snapshot->gpus[0].vram, mib(24064));
    EXPECT_FALSE(snapshot->gpus[1].vram.has_value());
    EXPECT_EQ(snapshot->docker_gpu_runtime, DockerGpuRuntime::rocm);
    EXPECT_EQ(snapshot->cpu.logical_cores, 12U);
    EXPECT_EQ(snapshot->ram, gib(31));
    EXPECT_EQ(snapshot->disk_free, gib(200));
}

TEST(HardwareSnapshot, WritesNullForWhatIsUnknown) {
    const Json value = to_json({.gpus = {{.vendor = GpuVendor::other, .name = "?"}}});
    EXPECT_TRUE(value["gpus"][0]["vram_bytes"].is_null());
    EXPECT_TRUE(value["gpus"][0]["vram_gb"].is_null());
    EXPECT_TRUE(value["gpus"][0]["uuid"].is_null());
    EXPECT_TRUE(value["ram_bytes"].is_null());
    EXPECT_EQ(value["docker_gpu_runtime"], "none");
}

TEST(HardwareSnapshot, RefusesWrongTypesWithTheirPath) {
    const auto wrong = snapshot_from_json(Json::parse(R"({"gpus": [{}, {"name": 7}]})"));
    ASSERT_FALSE(wrong.has_value());
    EXPECT_EQ(wrong.error().message, "hardware.gpus[1].name must be a string.");
    EXPECT_FALSE(snapshot_from_json(Json::array()).has_value());
    EXPECT_FALSE(snapshot_from_json(Json::parse(R"({"cpu": []})")).has_value());
}

TEST(HardwareSnapshot, TakesImpossibleFiguresAsUnknown) {
    const auto odd = snapshot_from_json(
        Json::parse(R"({"ram_bytes": -5, "disk_free_gb": 1e300, "cpu_cores": -1})")
    );
    ASSERT_TRUE(odd.has_value());
    EXPECT_FALSE(odd->ram.has_value());
    EXPECT_FALSE(odd->disk_free.has_value());
    EXPECT_EQ(odd->cpu.logical_cores, 0U);
}

TEST(HardwareSnapshot, CountsUsableCoresUnderALimit) {
    EXPECT_EQ((CpuFacts{.logical_cores = 8, .limit = 2.1}).usable_cores(), 3U);
    EXPECT_EQ((CpuFacts{.logical_cores = 8, .limit = 0.1}).usable_cores(), 1U);
    EXPECT_EQ((CpuFacts{.logical_cores = 8, .limit = 99.0}).usable_cores(), 8U);
    EXPECT_EQ((CpuFacts{.logical_cores = 8}).usable_cores(), 8U);
}

TEST(HardwareSnapshot, FindsTheMemoryAModelMayFill) {
    HardwareSnapshot snapshot = workstation();
    EXPECT_EQ(memory_of(snapshot, snapshot.gpus[0]), mib(16376));
    EXPECT_EQ(memory_of(snapshot, {.name = "NVIDIA GB10", .unified_memory = true}), gib(64));
    EXPECT_FALSE(memory_of(snapshot, {.name = "silent"}).has_value());
}

TEST(HardwareMerge, KeepsGpusThatADetectionInAContainerMisses) {
    HardwareSnapshot blind{
        .cpu = {.logical_cores = 2},
        .ram = gib(4),
        .detected_at = "later",
        .source = "procfs",
    };
    const auto merged = merge(workstation(), blind, Overwrite::keep_richer);
    EXPECT_EQ(merged.snapshot.gpus, workstation().gpus);
    EXPECT_EQ(merged.snapshot.docker_gpu_runtime, DockerGpuRuntime::nvidia);
    EXPECT_EQ(merged.snapshot.cpu.logical_cores, 2U) << "cores and memory are measured anew";
    EXPECT_EQ(merged.snapshot.cpu.model, "Example CPU");
    EXPECT_EQ(merged.snapshot.ram, gib(4));
    EXPECT_EQ(merged.snapshot.disk_free, gib(100));
    EXPECT_EQ(merged.snapshot.detected_at, "later");
    EXPECT_EQ(merged.snapshot.source, "procfs,kept");
    ASSERT_EQ(merged.kept.size(), 2U);
    EXPECT_TRUE(merged.kept[0].contains("RTX 4080 SUPER")) << merged.kept[0];
}

TEST(HardwareMerge, ForgetsThemWhenAskedTo) {
    const HardwareSnapshot blind{.source = "procfs"};
    const auto merged = merge(workstation(), blind, Overwrite::replace);
    EXPECT_EQ(merged.snapshot, blind);
    EXPECT_TRUE(merged.kept.empty());
}

TEST(HardwareMerge, ForgetsACardThatIsNotAmongAllOfItsVendor) {
    HardwareSnapshot stored = workstation();
    stored.gpus.push_back({.index = 1, .vendor = GpuVendor::nvidia, .name = "gone", .uuid = "GPU-9"}
    );
    stored.gpus.push_back({.index = 0, .vendor = GpuVendor::amd, .name = "Radeon"});
    const auto merged = merge(stored, workstation(), Overwrite::keep_richer, {GpuVendor::nvidia});
    ASSERT_EQ(merged.snapshot.gpus.size(), 2U);
    EXPECT_EQ(merged.snapshot.gpus[0], workstation().gpus[0]);
    EXPECT_EQ(merged.snapshot.gpus[1].name, "Radeon") << "nobody listed that vendor's";
    ASSERT_EQ(merged.kept.size(), 1U);
    EXPECT_EQ(merge(stored, workstation(), Overwrite::keep_richer).snapshot.gpus.size(), 3U);
}

TEST(HardwareMerge, FillsUnknownMembersOfTheSameCard) {
    HardwareSnapshot fresh = workstation();
    fresh.gpus[0].vram.reset();
    fresh.gpus[0].uuid.clear();
    fresh.gpus[0].driver = "600.1";
    const auto merged = merge(workstation(), fresh, Overwrite::keep_richer);
    ASSERT_EQ(merged.snapshot.gpus.size(), 1U);
    EXPECT_EQ(merged.snapshot.gpus[0].vram, mib(16376));
    EXPECT_EQ(merged.snapshot.gpus[0].uuid, "GPU-1");
    EXPECT_EQ(merged.snapshot.gpus[0].driver, "600.1");
    EXPECT_TRUE(merged.kept.empty());
}

TEST(HardwareMerge, TakesANewCardInTheSlotOfTheOld) {
    HardwareSnapshot fresh = workstation();
    fresh.gpus[0].uuid = "GPU-2";
    fresh.gpus[0].name = "NVIDIA RTX 6000 Example";
    fresh.gpus[0].vram = gib(48);
    const auto merged = merge(workstation(), fresh, Overwrite::keep_richer);
    EXPECT_EQ(merged.snapshot.gpus, fresh.gpus);
    EXPECT_TRUE(merged.kept.empty());
}

TEST(HardwareMerge, TakesWhatIsRicher) {
    const HardwareSnapshot poor{.source = "procfs"};
    const auto merged = merge(poor, workstation(), Overwrite::keep_richer);
    EXPECT_EQ(merged.snapshot, workstation());
}

}  // namespace
}  // namespace nova::hardware

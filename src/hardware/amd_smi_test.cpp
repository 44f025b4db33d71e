// amd-smi's JSON in both its shapes.
#include <gtest/gtest.h>

#include "hardware/amd_smi.hpp"
#include "hardware/testdata_case.hpp"

namespace nova::hardware {
namespace {

TEST(AmdInventory, ReadsTheBareArrayOfOlderReleases) {
    const auto reading = parse_amd_inventory(load_case("amdsmi_static_array.txt"));
    ASSERT_EQ(reading.gpus.size(), 1U);
    const GpuDevice expected{
        .index = 0,
        .vendor = GpuVendor::amd,
        .name = "Radeon RX Example",
        .vram = mib(24560),
        .driver = "6.8.5",
        .uuid = "0xABC1",
        .compute_capability = "gfx1100",
    };
    EXPECT_EQ(reading.gpus[0], expected);
}

TEST(AmdInventory, ReadsTheWrappedShapeAndLeavesUnknownMemoryUnknown) {
    const auto reading = parse_amd_inventory(load_case("amdsmi_static_wrapped.txt"));
    ASSERT_EQ(reading.gpus.size(), 2U);
    EXPECT_EQ(reading.gpus[0].vram, mib(196288));
    EXPECT_EQ(reading.gpus[1].index, 1U);
    EXPECT_FALSE(reading.gpus[1].vram.has_value());
}

TEST(AmdInventory, SaysWhyThereIsNothing) {
    const auto unloaded = parse_amd_inventory(load_case("amdsmi_no_driver.txt"));
    EXPECT_TRUE(unloaded.tool);
    EXPECT_TRUE(unloaded.sentence.contains("amdgpu driver is not loaded")) << unloaded.sentence;
    EXPECT_FALSE(parse_amd_inventory(fail(ErrorCode::not_found, "no")).tool);
    EXPECT_TRUE(parse_amd_inventory(fail(ErrorCode::timeout, "killed")).tool);
    EXPECT_FALSE(parse_amd_inventory(CommandOutput{.exit_code = 127}).tool);
    EXPECT_TRUE(
        parse_amd_inventory(CommandOutput{.out = "[1, {\"gpu\": -1}, {\"gpu\": {}}]"}).gpus.empty()
    );
}

TEST(AmdStats, ReadsFiguresAndTheLimitOfTheOtherHalf) {
    const auto stats = parse_amd_stats(
        load_case("amdsmi_static_array.txt").out, load_case("amdsmi_metric_array.txt").out
    );
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_EQ(stats[0].name, "Radeon RX Example");
    EXPECT_EQ(stats[0].utilization_pct, 12.0);
    EXPECT_EQ(stats[0].vram_used, mib(1822));
    EXPECT_EQ(stats[0].vram_total, mib(24560));
    EXPECT_EQ(stats[0].temperature_c, 44.0);
    EXPECT_EQ(stats[0].power_w, 48.0);
    EXPECT_EQ(stats[0].power_limit_w, 339.0);
}

TEST(AmdStats, KeepsUnknownUnknownAndTakesTheHotSpotWhereThereIsNoEdge) {
    const auto stats = parse_amd_stats(
        load_case("amdsmi_static_wrapped.txt").out, load_case("amdsmi_metric_wrapped.txt").out
    );
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_FALSE(stats[0].utilization_pct.has_value());
    EXPECT_FALSE(stats[0].power_w.has_value());
    EXPECT_EQ(stats[0].temperature_c, 52.0);
    EXPECT_EQ(stats[0].power_limit_w, 750.0);
    EXPECT_TRUE(parse_amd_stats("", "").empty());
    EXPECT_TRUE(parse_amd_stats("{", "not json").empty());
}

}  // namespace
}  // namespace nova::hardware

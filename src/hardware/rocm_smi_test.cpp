// rocm-smi's JSON through its versions.
#include <gtest/gtest.h>

#include "hardware/rocm_smi.hpp"
#include "hardware/testdata_case.hpp"

namespace nova::hardware {
namespace {

TEST(RocmInventory, ReadsCardsAfterAWarning) {
    const auto reading = parse_rocm_inventory(load_case("rocm_two_cards.txt"));
    ASSERT_EQ(reading.gpus.size(), 2U);
    const GpuDevice integrated{
        .index = 0,
        .vendor = GpuVendor::amd,
        .name = "Example",
        .vram = mib(512),
        .driver = "6.8.5",
        .compute_capability = "gfx1036",
    };
    EXPECT_EQ(reading.gpus[0], integrated);
    EXPECT_EQ(reading.gpus[1].name, "Radeon Example XTX");
    EXPECT_EQ(reading.gpus[1].vram, Bytes{25753026560});
    EXPECT_EQ(reading.gpus[1].uuid, "0xabc1");
}

TEST(RocmInventory, ReadsTheOlderCapitalsAndLeavesUnknownMemoryUnknown) {
    const auto reading = parse_rocm_inventory(load_case("rocm_old_capitals.txt"));
    ASSERT_EQ(reading.gpus.size(), 1U);
    EXPECT_EQ(reading.gpus[0].name, "Instinct Example");
    EXPECT_FALSE(reading.gpus[0].vram.has_value());
}

TEST(RocmInventory, ReadsWhatRealMachinesPrinted) {
    const auto four = parse_rocm_inventory(load_case("rocm_mi100_602.txt"));
    ASSERT_EQ(four.gpus.size(), 4U);
    EXPECT_EQ(four.gpus[3].name, "Arcturus GL-XL [Instinct MI100]");
    EXPECT_EQ(four.gpus[3].vram, Bytes{34342961152});
    EXPECT_EQ(four.gpus[3].driver, "6.3.6");
    const auto radeon = parse_rocm_inventory(load_case("rocm_rx6700xt_612.txt"));
    ASSERT_EQ(radeon.gpus.size(), 1U);
    EXPECT_EQ(radeon.gpus[0].compute_capability, "gfx1031");
    EXPECT_EQ(radeon.gpus[0].uuid, "");
    const auto vega = parse_rocm_inventory(load_case("rocm_vega10_59.txt"));
    ASSERT_EQ(vega.gpus.size(), 1U);
    EXPECT_EQ(vega.gpus[0].name, "AMD GPU") << "a PCI number is no name";
}

TEST(RocmStats, ReadsWhatRealMachinesPrinted) {
    const auto four = parse_rocm_stats(load_case("rocm_mi100_602.txt").out);
    ASSERT_EQ(four.size(), 4U);
    EXPECT_EQ(four[1].vram_used, Bytes{6750208});
    EXPECT_EQ(four[1].temperature_c, 55.0);
    EXPECT_EQ(four[1].power_w, 44.0);
    EXPECT_EQ(four[1].power_limit_w, 290.0);
    EXPECT_EQ(four[1].utilization_pct, 0.0);
}

TEST(RocmStats, TakesOtherSensorsWhereTheUsualOnesAreMissing) {
    const auto stats = parse_rocm_stats(load_case("rocm_mi300_no_edge.txt").out);
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_EQ(stats[0].temperature_c, 41.0);
    EXPECT_EQ(stats[0].power_w, 135.0);
    const auto bare = parse_rocm_stats(load_case("rocm_old_capitals.txt").out);
    ASSERT_EQ(bare.size(), 1U);
    EXPECT_FALSE(bare[0].vram_total.has_value());
    EXPECT_FALSE(bare[0].power_w.has_value());
    EXPECT_TRUE(parse_rocm_stats(load_case("rocm_no_driver.txt").out).empty());
    EXPECT_TRUE(parse_rocm_stats(load_case("rocm_cut_short.txt").out).empty());
}

TEST(RocmInventory, SaysWhyThereIsNothing) {
    const auto unloaded = parse_rocm_inventory(load_case("rocm_no_driver.txt"));
    EXPECT_TRUE(unloaded.gpus.empty());
    EXPECT_TRUE(unloaded.sentence.contains("amdgpu driver is not loaded")) << unloaded.sentence;
    const auto absent = parse_rocm_inventory(fail(ErrorCode::not_found, "no"));
    EXPECT_FALSE(absent.tool);
    const auto damaged = parse_rocm_inventory(CommandOutput{.out = "{\"card0\": {"});
    EXPECT_TRUE(damaged.tool);
    EXPECT_TRUE(damaged.sentence.contains("cannot be read")) << damaged.sentence;
}

}  // namespace
}  // namespace nova::hardware

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

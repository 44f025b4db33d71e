// Live figures: what the device does not say stays null down to the JSON.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "hardware/gpu_stats.hpp"
#include "hardware/testdata_case.hpp"

namespace nova::hardware {
namespace {

TEST(GpuStats, ReadsACardAndWhoUsesIt) {
    const auto stats = parse_nvidia_stats(
        load_case("stats_geforce.txt").out, load_case("stats_processes.txt").out
    );
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_EQ(stats[0].utilization_pct, 0.0);
    EXPECT_EQ(stats[0].vram_used, mib(596));
    EXPECT_EQ(stats[0].vram_total, mib(16376));
    EXPECT_EQ(stats[0].temperature_c, 43.0);
    EXPECT_EQ(stats[0].power_w, 26.2);
    EXPECT_EQ(stats[0].power_limit_w, 320.0);
    const std::vector<GpuProcess> expected{
        {.pid = 4242, .name = "/usr/bin/llama-server", .vram_used = mib(1834)},
        {.pid = 77, .name = "/opt/odd, name/python3", .vram_used = std::nullopt},
    };
    EXPECT_EQ(stats[0].processes, expected);
}

TEST(GpuStats, WritesNullWhereTheDeviceDoesNotSay) {
    const Json value = to_json(parse_nvidia_stats(load_case("stats_mig_passive.txt").out, {}));
    const Json expected = Json::parse(R"([{
        "index": 0, "name": "NVIDIA H100 80GB HBM3", "utilization_pct": null,
        "vram_used_bytes": 61865984, "vram_total_bytes": 85520809984, "temperature_c": 42.0,
        "power_w": 71.15, "power_limit_w": 700.0, "processes": []}])");
    EXPECT_EQ(value, expected);
}

TEST(GpuStats, CountsProcessesWhereMemoryIsShared) {
    const HardwareSnapshot snapshot{
        .gpus = {{
            .vendor = GpuVendor::nvidia,
            .name = "NVIDIA GB10",
            .uuid = "GPU-00000000-0000-0000-0000-000000000001",
            .unified_memory = true,
        }},
        .ram = gib(119),
    };
    auto stats =
        parse_nvidia_stats(load_case("stats_gb10.txt").out, load_case("stats_processes.txt").out);
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_FALSE(stats[0].vram_used.has_value());
    fill_unified_memory(stats, snapshot);
    EXPECT_EQ(stats[0].vram_used, mib(1834));
    EXPECT_EQ(stats[0].vram_total, gib(119));

    auto nobody = parse_nvidia_stats(load_case("stats_gb10.txt").out, {});
    fill_unified_memory(nobody, snapshot);
    EXPECT_FALSE(nobody[0].vram_used.has_value()) << "an empty list in a container proves nothing";
}

TEST(GpuStats, ReadsTheFiguresOfACapturedPartitionedCard) {
    const auto stats = parse_nvidia_stats(load_case("stats_h100_mig_captured.txt").out, {});
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_FALSE(stats[0].utilization_pct.has_value());
    EXPECT_EQ(stats[0].vram_used, mib(59));
    EXPECT_EQ(stats[0].power_limit_w, 700.0);
}

TEST(GpuStats, ReadsDecimalCommas) {
    const auto stats = parse_nvidia_stats(load_case("nvidia_decimal_comma.txt").out, {});
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_EQ(stats[0].utilization_pct, 3.0);
    EXPECT_EQ(stats[0].power_w, 26.2);
    EXPECT_EQ(stats[0].power_limit_w, 320.0);
}

TEST(GpuStats, DoesNotBelieveARowThatWasCut) {
    const std::string row = load_case("stats_geforce.txt").out;
    EXPECT_EQ(parse_nvidia_stats(row, {}).size(), 1U);
    EXPECT_TRUE(parse_nvidia_stats(row.substr(0, row.size() - 3), {}).empty());
}

TEST(GpuStats, PassesOverWhatIsNoRow) {
    EXPECT_TRUE(parse_nvidia_stats(load_case("nvidia_no_devices.txt").out, {}).empty());
    EXPECT_TRUE(parse_nvidia_stats("a,b,c,d,e,f,g,h,i\n,,,,,,,,\n", "x,y\n").empty());
}

}  // namespace
}  // namespace nova::hardware

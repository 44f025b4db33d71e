// AMD cards below a made-up /sys, shaped as the kernel's documentation of amdgpu has it.
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "hardware/amd_sysfs.hpp"

namespace nova::hardware {
namespace {

namespace fs = std::filesystem;

class AmdSysfsTest : public testing::Test {
protected:
    AmdSysfsTest() {
        std::string pattern = (fs::temp_directory_path() / "nova-sysfs-XXXXXX").string();
        root_ = ::mkdtemp(pattern.data());
    }

    ~AmdSysfsTest() override {
        std::error_code code;
        fs::remove_all(root_, code);
    }

    void put(const fs::path& path, std::string_view text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream{root_ / path} << text << "\n";
    }

    void put_card(const std::string& card, std::string_view vram) {
        const fs::path device = fs::path{"sys/class/drm"} / card / "device";
        put(device / "vendor", "0x1002");
        put(device / "mem_info_vram_total", vram);
        put(device / "mem_info_vram_used", "0");
        put(device / "gpu_busy_percent", "7");
    }

    AmdSysfs read() const {
        return read_amd_sysfs({.root = root_, .proc = root_ / "proc", .sys = root_ / "sys"});
    }

    fs::path root_;
};

TEST_F(AmdSysfsTest, ReadsACardWithItsSensorsAndArchitecture) {
    put_card("card1", "25753026560");
    const fs::path device = "sys/class/drm/card1/device";
    put(device / "product_name", "Radeon RX Example");
    put(device / "unique_id", "abc1");
    put(device / "drm/renderD128/uevent", "");
    put(device / "hwmon/hwmon4/temp1_label", "junction");
    put(device / "hwmon/hwmon4/temp1_input", "51000");
    put(device / "hwmon/hwmon4/temp2_label", "edge");
    put(device / "hwmon/hwmon4/temp2_input", "44000");
    put(device / "hwmon/hwmon4/power1_input", "48000000");
    put(device / "hwmon/hwmon4/power1_cap", "339000000");
    put("sys/class/kfd/kfd/topology/nodes/0/properties",
        "gfx_target_version 0\ndrm_render_minor 0");
    put("sys/class/kfd/kfd/topology/nodes/1/properties",
        "gfx_target_version 110000\ndrm_render_minor 128");
    put("dev/kfd", "");
    const AmdSysfs found = read();
    EXPECT_TRUE(found.compute);
    ASSERT_EQ(found.gpus.size(), 1U);
    EXPECT_EQ(found.gpus[0].index, 0U);
    EXPECT_EQ(found.gpus[0].name, "Radeon RX Example");
    EXPECT_EQ(found.gpus[0].vram, Bytes{25753026560});
    EXPECT_EQ(found.gpus[0].compute_capability, "gfx1100");
    EXPECT_EQ(found.stats[0].utilization_pct, 7.0);
    EXPECT_EQ(found.stats[0].vram_used, Bytes{0});
    EXPECT_EQ(found.stats[0].temperature_c, 44.0);
    EXPECT_EQ(found.stats[0].power_w, 48.0);
    EXPECT_EQ(found.stats[0].power_limit_w, 339.0);
}

TEST_F(AmdSysfsTest, CountsCardsByNumberAndPassesOverOthers) {
    put_card("card10", "2000000000");
    put_card("card2", "1000000000");
    put_card("card2-DP-1", "5");
    put("sys/class/drm/card0/device/vendor", "0x8086");
    const AmdSysfs found = read();
    EXPECT_FALSE(found.compute);
    ASSERT_EQ(found.gpus.size(), 2U);
    EXPECT_EQ(found.gpus[0].vram, Bytes{1000000000});
    EXPECT_EQ(found.gpus[1].index, 1U);
    EXPECT_EQ(found.gpus[1].name, "AMD GPU");
    EXPECT_FALSE(found.stats[1].temperature_c.has_value());
    EXPECT_FALSE(found.stats[1].power_w.has_value());
}

TEST_F(AmdSysfsTest, KnowsHexadecimalSteppings) {
    for (const auto& [version, name] : {std::pair{"90010", "gfx90a"}, {"90402", "gfx942"}}) {
        put_card("card0", "1");
        put("sys/class/drm/card0/device/drm/renderD129/uevent", "");
        put("sys/class/kfd/kfd/topology/nodes/1/properties",
            std::string{"drm_render_minor 129\ngfx_target_version "} + version);
        EXPECT_EQ(read().gpus.at(0).compute_capability, name);
    }
}

TEST_F(AmdSysfsTest, KeepsWhatCannotBeReadUnknown) {
    put_card("card0", "not a number");
    EXPECT_FALSE(read().gpus.at(0).vram.has_value());
    fs::remove_all(root_ / "sys");
    EXPECT_TRUE(read().gpus.empty());
}

}  // namespace
}  // namespace nova::hardware

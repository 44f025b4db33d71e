// The file on a real disk: whole, replaced at once, and patient with damage.
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "hardware/hardware_file.hpp"

namespace nova::hardware {
namespace {

namespace fs = std::filesystem;

class HardwareFileTest : public testing::Test {
protected:
    HardwareFileTest() {
        std::string pattern = (fs::temp_directory_path() / "nova-hardware-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
    }

    ~HardwareFileTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    fs::path folder_;
};

TEST_F(HardwareFileTest, ReadsWhatWasSavedAndLeavesNothingBeside) {
    const fs::path path = folder_ / "hardware.json";
    const HardwareSnapshot first{.ram = gib(8), .source = "procfs"};
    const HardwareSnapshot second{.ram = gib(16), .source = "procfs"};
    ASSERT_TRUE(save_hardware_file(path, first).has_value());
    ASSERT_TRUE(save_hardware_file(path, second).has_value());
    const auto loaded = load_hardware_file(path);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(*loaded, second);
    EXPECT_EQ(std::distance(fs::directory_iterator{folder_}, fs::directory_iterator{}), 1);
}

TEST_F(HardwareFileTest, TakesAnAbsentFileAsNothingKnown) {
    const auto loaded = load_hardware_file(folder_ / "none.json");
    ASSERT_TRUE(loaded.has_value());
    EXPECT_FALSE(loaded->has_value());
}

TEST_F(HardwareFileTest, SaysWhatToDoAboutADamagedFile) {
    std::ofstream{folder_ / "hardware.json"} << "{\"gpus\": [";
    const auto loaded = load_hardware_file(folder_ / "hardware.json");
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code, ErrorCode::corrupt);
    EXPECT_TRUE(loaded.error().remedy.contains("nova detect"));
}

TEST_F(HardwareFileTest, KeepsTheOldFileWhenTheNewOneCannotBeWritten) {
    const auto failed = save_hardware_file(folder_ / "no" / "such" / "hardware.json", {});
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, ErrorCode::unavailable);
    EXPECT_TRUE(failed.error().message.contains("No such file")) << failed.error().message;

    // A folder in the place of the file: the rename fails, and no half of a file stays behind.
    fs::create_directories(folder_ / "taken" / "inside");
    EXPECT_FALSE(save_hardware_file(folder_ / "taken", {}).has_value());
    EXPECT_TRUE(fs::is_directory(folder_ / "taken" / "inside"));
    EXPECT_EQ(std::distance(fs::directory_iterator{folder_}, fs::directory_iterator{}), 1);
}

TEST_F(HardwareFileTest, WritesNamesThatAreNotUtf8) {
    const HardwareSnapshot odd{.gpus = {{.vendor = GpuVendor::nvidia, .name = "GPU \xff"}}};
    ASSERT_TRUE(save_hardware_file(folder_ / "hardware.json", odd).has_value());
    EXPECT_TRUE(load_hardware_file(folder_ / "hardware.json").has_value());
}

}  // namespace
}  // namespace nova::hardware

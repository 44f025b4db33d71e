// nvidia-smi's answers, one file each, and what nova makes of them.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "core/checkout.hpp"
#include "hardware/nvidia_smi.hpp"
#include "hardware/testdata_case.hpp"

namespace nova::hardware {
namespace {

std::string uuid(int n) {
    return "GPU-00000000-0000-0000-0000-00000000000" + std::to_string(n);
}

NvidiaReading read(std::string_view name, NvidiaFields fields = NvidiaFields::full) {
    return parse_nvidia_inventory(load_case(name), fields);
}

// The manifest is each file's first line: seen where, or made from which list of fields. A recorded
// answer that no test reads would prove nothing.
TEST(NvidiaTestdata, EveryFileSaysWhereItComesFromAndIsRead) {
    std::string tests;
    for (const auto& entry : std::filesystem::directory_iterator{checkout() / "src/hardware"}) {
        if (entry.path().string().ends_with("_test.cpp")) {
            std::ifstream file{entry.path()};
            tests.append(std::istreambuf_iterator<char>{file}, {});
        }
    }
    int nvidia = 0;
    int amd = 0;
    int captured = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator{checkout() / "src/hardware/testdata"}) {
        const std::string name = entry.path().filename().string();
        std::ifstream file{entry.path()};
        std::string line;
        std::getline(file, line);
        const bool seen = line.starts_with("# origin: captured (github.com/");
        EXPECT_TRUE(
            seen || line.starts_with("# origin: constructed from ") ||
            line.starts_with("# origin: constructed after ") ||
            line.starts_with("# origin: constructed: ")
        ) << name;
        EXPECT_TRUE(tests.contains('"' + name + '"')) << name << " is read by no test";
        captured += seen ? 1 : 0;
        nvidia += name.starts_with("nvidia_") || name.starts_with("stats_") ? 1 : 0;
        amd += name.starts_with("rocm_") || name.starts_with("amdsmi_") ? 1 : 0;
    }
    EXPECT_GE(nvidia, 25);
    EXPECT_GE(amd, 10);
    EXPECT_GE(captured, 5);
}

TEST(NvidiaInventory, ReadsOneCardCompletely) {
    const auto reading = read("nvidia_one_geforce.txt");
    EXPECT_EQ(reading.verdict, NvidiaVerdict::found);
    ASSERT_EQ(reading.gpus.size(), 1U);
    const GpuDevice expected{
        .index = 0,
        .vendor = GpuVendor::nvidia,
        .name = "NVIDIA GeForce RTX 4080 SUPER",
        .vram = mib(16376),
        .driver = "590.44.01",
        .uuid = uuid(1),
        .compute_capability = "8.9",
    };
    EXPECT_EQ(reading.gpus[0], expected);
}

struct Outcome {
    const char* file;
    NvidiaVerdict verdict;
    std::size_t gpus;
    const char* says;  // part of the sentence
};

TEST(NvidiaInventory, GivesEveryAnswerItsMeaning) {
    const Outcome outcomes[] = {
        {"nvidia_one_geforce.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_two_cards.txt", NvidiaVerdict::found, 2, ""},
        {"nvidia_h100_mig.txt", NvidiaVerdict::found, 2, ""},
        {"nvidia_gb10_unified.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_jetson_orin.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_comma_in_name.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_unsupported_memory.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_unknown_errors.txt", NvidiaVerdict::found, 2, ""},
        {"nvidia_requires_reset.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_crlf_wsl2.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_units_printed.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_fell_off_the_bus.txt", NvidiaVerdict::found, 1, "lost"},
        {"nvidia_wsl2_stub.txt", NvidiaVerdict::driver_away, 0, "not loaded"},
        {"nvidia_exit_9_silent.txt", NvidiaVerdict::driver_away, 0, "not loaded"},
        {"nvidia_no_devices.txt", NvidiaVerdict::no_devices, 0, "no GPU"},
        {"nvidia_empty.txt", NvidiaVerdict::no_devices, 0, "no GPU"},
        {"nvidia_version_mismatch.txt", NvidiaVerdict::version_mismatch, 0, "reboot"},
        {"nvidia_nvml_unknown_error.txt", NvidiaVerdict::nvml_unknown, 0, "recreate"},
        {"nvidia_unknown_field.txt", NvidiaVerdict::unknown_field, 0, "too old"},
        {"nvidia_no_library.txt", NvidiaVerdict::failed, 0, "library"},
        {"nvidia_no_permission.txt", NvidiaVerdict::failed, 0, "permissions"},
        {"nvidia_gpu_is_lost.txt", NvidiaVerdict::lost, 0, "lost"},
        {"nvidia_one_of_two_lost.txt", NvidiaVerdict::found, 1, "lost"},
        {"nvidia_err_tokens.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_cut_in_a_number.txt", NvidiaVerdict::found, 1, "also said"},
        {"nvidia_h100_mig_captured.txt", NvidiaVerdict::found, 1, ""},
        {"nvidia_eight_h100.txt", NvidiaVerdict::found, 8, ""},
        {"nvidia_header_repeated.txt", NvidiaVerdict::found, 1, "also said"},
        {"nvidia_not_available.txt", NvidiaVerdict::failed, 0, "exit 3"},
        {"nvidia_nvml_not_found.txt", NvidiaVerdict::failed, 0, "exit 255"},
        {"nvidia_table_k80.txt", NvidiaVerdict::failed, 0, "said"},
        {"nvidia_half_a_row.txt", NvidiaVerdict::failed, 0, "said"},
    };
    for (const Outcome& outcome : outcomes) {
        const auto reading = read(outcome.file);
        EXPECT_EQ(reading.verdict, outcome.verdict) << outcome.file;
        EXPECT_EQ(reading.gpus.size(), outcome.gpus) << outcome.file;
        EXPECT_TRUE(reading.sentence.contains(outcome.says))
            << outcome.file << ": " << reading.sentence;
        EXPECT_EQ(*outcome.says == '\0', reading.sentence.empty())
            << outcome.file << ": " << reading.sentence;
    }
}

TEST(NvidiaInventory, KeepsUnknownMemoryUnknown) {
    for (const char* file :
         {"nvidia_unsupported_memory.txt", "nvidia_requires_reset.txt", "nvidia_unknown_errors.txt"
         }) {
        const auto reading = read(file);
        ASSERT_FALSE(reading.gpus.empty()) << file;
        EXPECT_FALSE(reading.gpus[0].vram.has_value()) << file;
        EXPECT_FALSE(reading.gpus[0].unified_memory) << file;
    }
    const auto errors = read("nvidia_unknown_errors.txt");
    EXPECT_EQ(errors.gpus[0].name, "");
    EXPECT_EQ(errors.gpus[1].vram, mib(23028));
}

TEST(NvidiaInventory, KnowsPartsThatShareTheMachinesMemory) {
    const auto spark = read("nvidia_gb10_unified.txt");
    ASSERT_EQ(spark.gpus.size(), 1U);
    EXPECT_TRUE(spark.gpus[0].unified_memory);
    EXPECT_FALSE(spark.gpus[0].vram.has_value());
    const auto orin = read("nvidia_jetson_orin.txt");
    ASSERT_EQ(orin.gpus.size(), 1U);
    EXPECT_TRUE(orin.gpus[0].unified_memory);
    EXPECT_EQ(orin.gpus[0].uuid, "");
    EXPECT_FALSE(read("nvidia_one_geforce.txt").gpus[0].unified_memory);
}

TEST(NvidiaInventory, LeavesCommasInTheName) {
    const auto reading = read("nvidia_comma_in_name.txt");
    ASSERT_EQ(reading.gpus.size(), 1U);
    EXPECT_EQ(reading.gpus[0].name, "NVIDIA RTX 6000, Ada, Example");
    EXPECT_EQ(reading.gpus[0].vram, mib(49140));
}

TEST(NvidiaInventory, ReadsWindowsLineEndsAndPrintedUnits) {
    EXPECT_FALSE(read("nvidia_crlf_wsl2.txt").gpus[0].mig_enabled);
    EXPECT_EQ(read("nvidia_crlf_wsl2.txt").gpus[0].vram, mib(8188));
    EXPECT_EQ(read("nvidia_units_printed.txt").gpus[0].vram, mib(23028));
}

TEST(NvidiaInventory, ReadsTheBasicFieldsOfOldDrivers) {
    const auto reading = read("nvidia_old_driver_basic.txt", NvidiaFields::basic);
    ASSERT_EQ(reading.gpus.size(), 2U);
    EXPECT_EQ(reading.gpus[1].index, 1U);
    EXPECT_EQ(reading.gpus[1].vram, mib(11441));
    EXPECT_EQ(reading.gpus[1].compute_capability, "");
    EXPECT_EQ(read("nvidia_k80_four_dies.txt", NvidiaFields::basic).gpus.size(), 4U);
}

TEST(NvidiaInventory, TellsALostCardFromOneThatIsNotThere) {
    EXPECT_TRUE(read("nvidia_gpu_is_lost.txt").lost);
    EXPECT_TRUE(read("nvidia_one_of_two_lost.txt").lost);
    EXPECT_TRUE(read("nvidia_fell_off_the_bus.txt").lost);
    EXPECT_FALSE(read("nvidia_no_devices.txt").lost);
    EXPECT_FALSE(read("nvidia_one_geforce.txt").lost);
    EXPECT_FALSE(read("nvidia_err_tokens.txt").gpus.at(0).vram.has_value());
}

TEST(NvidiaInventory, PutsSlicesIntoTheirCard) {
    auto reading = read("nvidia_h100_mig.txt");
    add_mig_devices(reading.gpus, load_case("nvidia_h100_mig_list.txt"));
    EXPECT_TRUE(reading.gpus[0].mig_enabled);
    EXPECT_FALSE(reading.gpus[1].mig_enabled);
    const std::vector<MigDevice> expected{
        {.profile = "3g.40gb", .uuid = "MIG-00000000-0000-0000-0000-0000000000a1"},
        {.profile = "1g.10gb+me", .uuid = "MIG-00000000-0000-0000-0000-0000000000a2"},
    };
    EXPECT_EQ(reading.gpus[0].mig, expected);
    EXPECT_TRUE(reading.gpus[1].mig.empty());
}

TEST(NvidiaInventory, TakesAnAbsentToolAsNormal) {
    const auto absent =
        parse_nvidia_inventory(fail(ErrorCode::not_found, "no such program"), NvidiaFields::full);
    EXPECT_EQ(absent.verdict, NvidiaVerdict::no_tool);
    EXPECT_EQ(absent.sentence, "No NVIDIA tool (nvidia-smi) is installed.");
    const auto from_a_shell =
        parse_nvidia_inventory(CommandOutput{.exit_code = 127}, NvidiaFields::full);
    EXPECT_EQ(from_a_shell.verdict, NvidiaVerdict::no_tool);
}

TEST(NvidiaInventory, SaysThatAToolHangs) {
    const auto hung =
        parse_nvidia_inventory(fail(ErrorCode::timeout, "killed"), NvidiaFields::full);
    EXPECT_EQ(hung.verdict, NvidiaVerdict::timed_out);
    EXPECT_TRUE(hung.sentence.contains("hang"));
}

TEST(NvidiaNumber, TellsMissingFromZero) {
    EXPECT_EQ(nvidia_number(" 0"), 0.0);
    EXPECT_EQ(nvidia_number("26.20"), 26.2);
    EXPECT_EQ(nvidia_number("26,20"), 26.2);
    for (const char* missing :
         {"[N/A]", "N/A", "[Not Supported]", "not supported", "", "[Insufficient Permissions]",
          "[Unknown Error]", "[n/a] ", "ERR!", "12x", "nan", "inf", "[", "]"}) {
        EXPECT_FALSE(nvidia_number(missing).has_value()) << missing;
    }
}

}  // namespace
}  // namespace nova::hardware

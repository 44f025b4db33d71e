// Every way to lose a GPU: found, explained, and whether starting the engine anew is worth it.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "hardware/gpu_health.hpp"
#include "hardware/testdata_case.hpp"

namespace nova::hardware {
namespace {

NvidiaReading said(std::string_view file) {
    return parse_nvidia_inventory(load_case(file), NvidiaFields::full);
}

HardwareSnapshot machine() {
    return {.gpus = {{.vendor = GpuVendor::nvidia, .name = "NVIDIA Example", .vram = gib(24)}}};
}

struct Row {
    const char* name;
    const char* host;    // recorded answer
    const char* inside;  // of the tool in the container; empty: not asked
    EngineUse use;
    GpuTrouble trouble;
    bool restart_helps;
};

const EngineUse kContainer{.planned_gpu = true, .container = true, .title = "vLLM"};
const EngineUse kContainerOnCpu{
    .planned_gpu = true, .container = true, .on_cpu = true, .title = "Ollama"
};
const EngineUse kNative{.planned_gpu = true, .title = "llama.cpp"};
const EngineUse kNativeOnCpu{.planned_gpu = true, .on_cpu = true, .title = "llama.cpp"};
const EngineUse kOnPurpose{.on_cpu = true, .title = "llama.cpp"};

TEST(GpuHealth, TellsTheWaysToLoseAGpuApart) {
    using enum GpuTrouble;
    const Row rows[] = {
        {"well", "nvidia_one_geforce.txt", "nvidia_one_geforce.txt", kContainer, none, false},
        {"lost", "nvidia_gpu_is_lost.txt", "", kNative, lost, false},
        {"one of two lost", "nvidia_one_of_two_lost.txt", "", kNative, lost, false},
        {"off the bus", "nvidia_fell_off_the_bus.txt", "", kNative, lost, false},
        {"lost, and the container says so too", "nvidia_gpu_is_lost.txt",
         "nvidia_nvml_unknown_error.txt", kContainer, lost, false},
        {"taken", "nvidia_one_geforce.txt", "nvidia_nvml_unknown_error.txt", kContainer, taken, true
        },
        {"none left inside", "nvidia_one_geforce.txt", "nvidia_no_devices.txt", kContainer, taken,
         true},
        {"upgraded", "nvidia_version_mismatch.txt", "", kNative, driver_replaced, false},
        {"unloaded", "nvidia_exit_9_silent.txt", "", kNative, driver_away, false},
        {"no device", "nvidia_no_devices.txt", "", kNative, driver_away, false},
        {"nova inside a container", "nvidia_nvml_unknown_error.txt", "", kNative, driver_away, false
        },
        {"on the CPU in its container", "nvidia_one_geforce.txt", "", kContainerOnCpu, on_cpu, true
        },
        {"a build without the GPU", "nvidia_one_geforce.txt", "", kNativeOnCpu, on_cpu, false},
        {"on the CPU by wish", "nvidia_one_geforce.txt", "", kOnPurpose, none, false},
        {"lost while on the CPU by wish", "nvidia_gpu_is_lost.txt", "", kOnPurpose, lost, false},
    };
    for (const Row& row : rows) {
        GpuReport report{.host = said(row.host)};
        if (*row.inside != '\0') {
            report.asked_inside = true;
            report.inside = said(row.inside);
        }
        const GpuFinding finding = judge_gpus(machine(), report, row.use);
        EXPECT_EQ(word(finding.trouble), word(row.trouble)) << row.name;
        EXPECT_EQ(finding.restart_helps, row.restart_helps) << row.name;
        EXPECT_EQ(finding.sentence.empty(), row.trouble == none) << row.name;
        EXPECT_EQ(finding.remedy.empty(), row.trouble == none) << row.name;
    }
}

TEST(GpuHealth, SaysThatTheDriverHangs) {
    const GpuReport report{
        .host = parse_nvidia_inventory(fail(ErrorCode::timeout, "killed"), NvidiaFields::full)
    };
    EXPECT_EQ(judge_gpus(machine(), report, kNative).trouble, GpuTrouble::hung);
}

TEST(GpuHealth, MissesNothingOnAMachineThatNeverHadOne) {
    const GpuReport report{.host = said("nvidia_exit_9_silent.txt")};
    EXPECT_EQ(judge_gpus({}, report, {}).trouble, GpuTrouble::none);
}

TEST(GpuHealth, WritesNullForWhatIsNotThere) {
    EXPECT_EQ(
        to_json(GpuFinding{}),
        Json::parse(R"({"trouble":"none","detail":null,"remedy":null,"restarting":false})")
    );
}

}  // namespace
}  // namespace nova::hardware

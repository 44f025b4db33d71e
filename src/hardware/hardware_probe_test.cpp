// The probe with scripted tools on a fake machine, in virtual time.
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "hardware/hardware_probe.hpp"
#include "hardware/testdata_case.hpp"

namespace nova::hardware {
namespace {

namespace fs = std::filesystem;

class ProbeTest : public testing::Test {
protected:
    ProbeTest() {
        std::string pattern = (fs::temp_directory_path() / "nova-probe-XXXXXX").string();
        root_ = ::mkdtemp(pattern.data());
        put("proc/cpuinfo", "processor : 0\nmodel name : Example CPU\nflags : avx2\n\n");
        put("proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 16777216 kB\n");
    }

    ~ProbeTest() override {
        std::error_code code;
        fs::remove_all(root_, code);
    }

    void put(const fs::path& path, std::string_view text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream{root_ / path} << text;
    }

    // Answers by the longest scripted beginning of the command line; anything else is not there.
    Task<Result<CommandOutput>> answer(std::vector<std::string> argv, Deadline deadline) {
        std::string line;
        for (const std::string& word : argv) {
            line += (line.empty() ? "" : " ") + word;
        }
        calls_.push_back(line);
        limits_.push_back(deadline.left(clock_));
        for (auto it = answers_.rbegin(); it != answers_.rend(); ++it) {
            if (line.starts_with(it->first)) {
                if (it->second.exit_code == kHangs) {
                    co_await clock_.sleep_until(deadline.at);
                    co_return fail(ErrorCode::timeout, "killed at its deadline");
                }
                co_return it->second;
            }
        }
        co_return fail(ErrorCode::not_found, argv[0] + ": no such program");
    }

    HardwareProbe probe() {
        CommandRunner runner = [this](std::vector<std::string> argv, Deadline deadline) {
            return answer(std::move(argv), deadline);
        };
        return {
            std::move(runner),
            clock_,
            {.roots = {.root = root_, .proc = root_ / "proc", .sys = root_ / "sys"},
             .weights_folder = root_}
        };
    }

    template <class T>
    T run(Task<T> task) {
        std::optional<T> result;
        const auto done = [&result](std::exception_ptr error, T value) {
            ASSERT_EQ(error, nullptr);
            result = std::move(value);
        };
        asio::co_spawn(io_, std::move(task), done);
        do {
            io_.restart();
            io_.poll();
        } while (!result && clock_.jump_to_next());
        return std::move(result).value();
    }

    static constexpr int kHangs = -99;

    asio::io_context io_;
    VirtualClock clock_;
    fs::path root_;
    std::map<std::string, CommandOutput> answers_;
    std::vector<std::string> calls_;
    std::vector<std::chrono::nanoseconds> limits_;
};

TEST_F(ProbeTest, DescribesAPlainMachineWithoutAnyTool) {
    auto tool = probe();
    const Detection found = run(tool.detect());
    EXPECT_TRUE(found.snapshot.gpus.empty());
    EXPECT_EQ(found.snapshot.docker_gpu_runtime, DockerGpuRuntime::none);
    EXPECT_EQ(found.reports[2].source, "rocm-smi");
    EXPECT_EQ(found.snapshot.cpu.model, "Example CPU");
    EXPECT_EQ(found.snapshot.ram, gib(32));
    EXPECT_EQ(found.snapshot.ram_available, gib(16));
    EXPECT_TRUE(found.snapshot.disk_free.has_value());
    EXPECT_EQ(found.snapshot.source, "procfs");
    EXPECT_EQ(found.snapshot.detected_at, rfc3339(clock_.wall_now()));
    ASSERT_EQ(found.reports.size(), 4U);
    EXPECT_EQ(found.reports[1].sentence, "No NVIDIA tool (nvidia-smi) is installed.");
}

TEST_F(ProbeTest, FindsACardAndDockersRuntime) {
    answers_["nvidia-smi"] = load_case("nvidia_one_geforce.txt");
    answers_["docker info"] = {
        .out = R"({"ServerVersion":"27.0","Runtimes":{"runc":{},"nvidia":{}}})"
    };
    auto tool = probe();
    const Detection found = run(tool.detect());
    ASSERT_EQ(found.snapshot.gpus.size(), 1U);
    EXPECT_EQ(found.snapshot.docker_gpu_runtime, DockerGpuRuntime::nvidia);
    EXPECT_EQ(found.snapshot.source, "procfs,nvidia-smi,docker");
}

TEST_F(ProbeTest, KnowsDockersDeviceFilesAsWell) {
    answers_["nvidia-smi"] = load_case("nvidia_one_geforce.txt");
    answers_["docker info"] = {.out = R"({"ServerVersion":"29.0","Runtimes":{"runc":{}},
                   "DiscoveredDevices":[{"Source":"cdi","ID":"nvidia.com/gpu=0"}]})"};
    auto tool = probe();
    EXPECT_EQ(run(tool.detect()).snapshot.docker_gpu_runtime, DockerGpuRuntime::nvidia);
}

TEST_F(ProbeTest, SaysRocmOnlyForARealComputeNode) {
    answers_["rocm-smi"] = load_case("rocm_two_cards.txt");
    answers_["docker info"] = {
        .out = R"({"ServerVersion":"27.0","KernelVersion":"6.1.0-amd64","Runtimes":{"runc":{}}})"
    };
    auto tool = probe();
    EXPECT_EQ(run(tool.detect()).snapshot.docker_gpu_runtime, DockerGpuRuntime::none);
    put("dev/kfd", "");
    const Detection found = run(tool.detect());
    EXPECT_EQ(found.snapshot.docker_gpu_runtime, DockerGpuRuntime::rocm);
    EXPECT_EQ(found.snapshot.gpus.size(), 2U);
}

TEST_F(ProbeTest, AsksAnOldDriverAgainWithFewerFields) {
    answers_["nvidia-smi --query-gpu=index,uuid,name,driver_version,memory.total"] =
        load_case("nvidia_old_driver_basic.txt");
    answers_["nvidia-smi --query-gpu=index,uuid,name,driver_version,memory.total,compute_cap"] =
        load_case("nvidia_unknown_field.txt");
    auto tool = probe();
    EXPECT_EQ(run(tool.detect()).snapshot.gpus.size(), 2U);
}

TEST_F(ProbeTest, TriesTheHostsToolUnderWsl2) {
    answers_["nvidia-smi"] = load_case("nvidia_wsl2_stub.txt");
    answers_["/usr/lib/wsl/lib/nvidia-smi"] = load_case("nvidia_crlf_wsl2.txt");
    auto tool = probe();
    EXPECT_EQ(run(tool.detect()).snapshot.gpus.size(), 1U);
}

TEST_F(ProbeTest, KeepsTheReasonOfTheToolThatIsThere) {
    answers_["nvidia-smi"] = load_case("nvidia_version_mismatch.txt");
    auto tool = probe();
    const Detection found = run(tool.detect());
    EXPECT_TRUE(found.reports[1].sentence.contains("reboot")) << found.reports[1].sentence;
}

TEST_F(ProbeTest, ListsTheSlicesOfAPartitionedCard) {
    answers_["nvidia-smi"] = load_case("nvidia_h100_mig.txt");
    answers_["nvidia-smi -L"] = load_case("nvidia_h100_mig_list.txt");
    auto tool = probe();
    EXPECT_EQ(run(tool.detect()).snapshot.gpus.at(0).mig.size(), 2U);
}

TEST_F(ProbeTest, WaitsForHungToolsOnceAndNotOneAfterTheOther) {
    answers_["nvidia-smi"] = {.exit_code = kHangs};
    answers_["/usr/lib/wsl/lib/nvidia-smi"] = {.exit_code = kHangs};
    answers_["rocm-smi"] = {.exit_code = kHangs};
    answers_["docker"] = {.exit_code = kHangs};
    const TimePoint before = clock_.now();
    auto tool = probe();
    const Detection found = run(tool.detect());
    EXPECT_EQ(clock_.now() - before, std::chrono::seconds{5});
    EXPECT_EQ(found.snapshot.cpu.model, "Example CPU");
    EXPECT_TRUE(found.reports[1].sentence.contains("hang")) << found.reports[1].sentence;
    EXPECT_TRUE(found.reports[3].sentence.contains("does not answer"));
    for (const auto limit : limits_) {
        EXPECT_LE(limit, std::chrono::seconds{5});
    }
}

TEST_F(ProbeTest, TakesAmdCardsFromTheNewerToolAndFromTheKernel) {
    put("sys/class/drm/card0/device/vendor", "0x1002\n");
    put("sys/class/drm/card0/device/mem_info_vram_total", "8589934592\n");
    auto tool = probe();
    Detection found = run(tool.detect());
    EXPECT_TRUE(found.snapshot.gpus.empty()) << "without /dev/kfd nothing can compute on it";
    EXPECT_TRUE(found.reports[2].sentence.contains("/dev/kfd")) << found.reports[2].sentence;
    put("dev/kfd", "");
    found = run(tool.detect());
    ASSERT_EQ(found.snapshot.gpus.size(), 1U);
    EXPECT_EQ(found.reports[2].source, "sysfs");
    answers_["amd-smi static"] = load_case("amdsmi_static_wrapped.txt");
    found = run(tool.detect());
    EXPECT_EQ(found.snapshot.gpus.size(), 2U);
    EXPECT_EQ(found.snapshot.source, "procfs,amd-smi");
}

TEST_F(ProbeTest, ReadsLiveFigures) {
    answers_["nvidia-smi --query-gpu"] = load_case("stats_geforce.txt");
    answers_["nvidia-smi --query-compute-apps"] = load_case("stats_processes.txt");
    auto tool = probe();
    const auto report = run(tool.look_at_gpus({}, {}));
    ASSERT_EQ(report.gpus.size(), 1U);
    EXPECT_EQ(report.source, "host");
    EXPECT_EQ(report.gpus[0].processes.size(), 2U);
    answers_.clear();
    const auto nobody = run(tool.look_at_gpus({}, {}));
    EXPECT_TRUE(nobody.gpus.empty());
    EXPECT_EQ(nobody.source, "");
    EXPECT_EQ(nobody.host.verdict, NvidiaVerdict::no_tool);
}

TEST_F(ProbeTest, AsksTheContainerWhereTheHostHasNoTool) {
    const CommandRunner inside = [](std::vector<std::string> argv, Deadline /*deadline*/
                                 ) -> Task<Result<CommandOutput>> {
        const bool figures = argv.at(1).starts_with("--query-gpu");
        co_return load_case(figures ? "stats_geforce.txt" : "stats_processes.txt");
    };
    auto tool = probe();
    const auto report = run(tool.look_at_gpus({}, inside));
    ASSERT_EQ(report.gpus.size(), 1U);
    EXPECT_EQ(report.source, "container");
    EXPECT_EQ(report.gpus[0].vram_used, mib(596));
    EXPECT_EQ(report.gpus[0].processes.size(), 2U);
}

TEST_F(ProbeTest, SeesThatAContainerLostWhatTheHostHas) {
    answers_["nvidia-smi --query-gpu"] = load_case("stats_geforce.txt");
    const CommandRunner inside = [](std::vector<std::string> /*argv*/, Deadline /*deadline*/
                                 ) -> Task<Result<CommandOutput>> {
        co_return load_case("nvidia_nvml_unknown_error.txt");
    };
    const HardwareSnapshot known{.gpus = {{.vendor = GpuVendor::nvidia, .name = "NVIDIA Example"}}};
    auto tool = probe();
    const auto report = run(tool.look_at_gpus(known, inside));
    EXPECT_EQ(report.source, "host");
    const EngineUse use{.planned_gpu = true, .container = true, .title = "vLLM"};
    EXPECT_EQ(judge_gpus(known, report, use).trouble, GpuTrouble::taken);
}

TEST_F(ProbeTest, NoticesALostCardBesideTheOneThatAnswers) {
    answers_["nvidia-smi --query-gpu"] = load_case("nvidia_one_of_two_lost.txt");
    auto tool = probe();
    const auto report = run(tool.look_at_gpus({}, {}));
    EXPECT_TRUE(report.host.lost);
}

TEST_F(ProbeTest, ReadsAmdFiguresFromToolsKernelAndContainer) {
    const HardwareSnapshot known{.gpus = {{.vendor = GpuVendor::amd, .name = "AMD GPU"}}};
    const CommandRunner inside = [](std::vector<std::string> argv, Deadline /*deadline*/
                                 ) -> Task<Result<CommandOutput>> {
        if (argv.front() != "rocm-smi") {
            co_return fail(ErrorCode::not_found, "no such program");
        }
        co_return load_case("rocm_mi300_no_edge.txt");
    };
    auto tool = probe();
    EXPECT_EQ(run(tool.look_at_gpus(known, inside)).source, "container");
    put("sys/class/drm/card0/device/vendor", "0x1002\n");
    put("sys/class/drm/card0/device/gpu_busy_percent", "9\n");
    auto report = run(tool.look_at_gpus(known, inside));
    EXPECT_EQ(report.source, "sysfs");
    EXPECT_EQ(report.gpus.at(0).utilization_pct, 9.0);
    answers_["amd-smi metric"] = load_case("amdsmi_metric_array.txt");
    answers_["amd-smi static"] = load_case("amdsmi_static_array.txt");
    report = run(tool.look_at_gpus(known, {}));
    EXPECT_EQ(report.source, "host");
    EXPECT_EQ(report.gpus.at(0).power_limit_w, 339.0);
    answers_["rocm-smi --showid --showproductname --showuniqueid --showuse"] =
        load_case("rocm_mi100_602.txt");
    EXPECT_EQ(run(tool.look_at_gpus(known, {})).gpus.size(), 4U);
}

TEST_F(ProbeTest, GivesUpOnHungToolsWhenItLooks) {
    answers_["nvidia-smi"] = {.exit_code = kHangs};
    answers_["rocm-smi"] = {.exit_code = kHangs};
    const TimePoint before = clock_.now();
    auto tool = probe();
    const auto report = run(tool.look_at_gpus({}, {}));
    EXPECT_EQ(report.host.verdict, NvidiaVerdict::timed_out);
    EXPECT_LE(clock_.now() - before, std::chrono::seconds{10});
}

}  // namespace
}  // namespace nova::hardware

// Fake /proc and /sys trees: plain machines, containers of both kinds, Arm, WSL2.
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "hardware/host_facts.hpp"

namespace nova::hardware {
namespace {

namespace fs = std::filesystem;

class HostFactsTest : public testing::Test {
protected:
    HostFactsTest() {
        std::string pattern = (fs::temp_directory_path() / "nova-host-XXXXXX").string();
        root_ = ::mkdtemp(pattern.data());
        put("proc/meminfo",
            "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\n");
        put("proc/self/cgroup", "0::/\n");
    }

    ~HostFactsTest() override {
        std::error_code code;
        fs::remove_all(root_, code);
    }

    void put(const fs::path& path, std::string_view text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream{root_ / path} << text;
    }

    HostFacts read() const {
        return read_host_facts({.root = root_, .proc = root_ / "proc", .sys = root_ / "sys"});
    }

    // Two sockets of one core with two threads each; the last processor lacks avx512f.
    void put_x86() {
        std::string text;
        for (int i = 0; i < 4; ++i) {
            text +=
                "processor\t: " + std::to_string(i) + "\nmodel name\t: Example(R) CPU @ 2.0GHz\n";
            text += "physical id\t: " + std::to_string(i / 2) + "\ncore id\t: 0\n";
            text +=
                std::string{"flags\t\t: fpu pni sse4_2 avx f16c fma avx2 avx512_vnni amx_int8 "} +
                (i < 3 ? "avx512f" : "") + "\nbugs\t: none\n\n";
        }
        put("proc/cpuinfo", text);
    }

    fs::path root_;
};

TEST_F(HostFactsTest, CountsThreadsAndCores) {
    put_x86();
    const auto cpu = read().cpu;
    EXPECT_EQ(cpu.model, "Example(R) CPU @ 2.0GHz");
    EXPECT_EQ(cpu.logical_cores, 4U);
    EXPECT_EQ(cpu.physical_cores, 2U);
    EXPECT_FALSE(cpu.limit.has_value());
}

TEST_F(HostFactsTest, NamesOnlyFlagsThatEveryProcessorHas) {
    put_x86();
    const std::vector<std::string> expected{"sse3", "sse4_2", "avx",         "f16c",
                                            "fma",  "avx2",   "avx512_vnni", "amx_int8"};
    EXPECT_EQ(read().cpu.flags, expected);
}

TEST_F(HostFactsTest, CountsOnlyProcessorsItMayRunOn) {
    put_x86();
    put("proc/self/status", "Name:\tnova\nCpus_allowed:\t7\nCpus_allowed_list:\t0-1,3\n");
    EXPECT_EQ(read().cpu.logical_cores, 3U);
    EXPECT_EQ(read().cpu.physical_cores, 2U);
    put("proc/self/status", "Cpus_allowed_list:\t0-1\n");
    EXPECT_EQ(read().cpu.physical_cores, 1U);
    put("proc/self/status", "Cpus_allowed_list:\t5-2\n");
    EXPECT_EQ(read().cpu.logical_cores, 4U) << "an unreadable list limits nothing";
}

TEST_F(HostFactsTest, ReadsArmServersAndBoards) {
    put("proc/cpuinfo",
        "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd asimdhp asimddp sve i8mm\n"
        "CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n"
        "processor\t: 1\nFeatures\t: fp asimd asimdhp asimddp sve i8mm\n"
        "CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n");
    put("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0\n");
    put("sys/devices/system/cpu/cpu1/topology/core_cpus_list", "1\n");
    const auto cpu = read().cpu;
    EXPECT_EQ(cpu.model, "Arm Neoverse-N1");
    EXPECT_EQ(cpu.physical_cores, 2U);
    const std::vector<std::string> expected{"neon", "dotprod", "fp16", "i8mm", "sve"};
    EXPECT_EQ(cpu.flags, expected);
    put("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0-1\n");
    put("sys/devices/system/cpu/cpu1/topology/core_cpus_list", "0-1\n");
    EXPECT_EQ(read().cpu.physical_cores, 1U);
}

TEST_F(HostFactsTest, TakesTheMachinesMemoryWithoutALimit) {
    put("sys/fs/cgroup/memory.max", "max\n");
    const auto facts = read();
    EXPECT_EQ(facts.usable_ram(), gib(16));
    EXPECT_EQ(facts.ram_available, gib(8));
    EXPECT_FALSE(facts.memory_limit.has_value());
}

TEST_F(HostFactsTest, LetsAVersion2LimitWin) {
    put_x86();
    put("sys/fs/cgroup/memory.max", "4294967296\n");
    put("sys/fs/cgroup/memory.current", "2147483648\n");
    put("sys/fs/cgroup/memory.stat", "anon 1073741824\ninactive_file 1073741824\n");
    put("sys/fs/cgroup/cpu.max", "150000 100000\n");
    const auto facts = read();
    EXPECT_EQ(facts.usable_ram(), gib(4));
    EXPECT_EQ(facts.machine_ram, gib(16));
    EXPECT_EQ(facts.ram_available, gib(3)) << "file pages nobody used lately count as free";
    EXPECT_EQ(facts.cpu.limit, 1.5);
    EXPECT_EQ(facts.cpu.usable_cores(), 2U);
}

TEST_F(HostFactsTest, FindsTheTightestLimitOnTheWayUp) {
    put("proc/self/cgroup", "0::/user.slice/nova.service\n");
    put("sys/fs/cgroup/user.slice/memory.max", "3221225472\n");
    put("sys/fs/cgroup/user.slice/memory.current", "1073741824\n");
    put("sys/fs/cgroup/user.slice/nova.service/memory.max", "max\n");
    put("sys/fs/cgroup/user.slice/nova.service/cpu.max", "max 100000\n");
    EXPECT_EQ(read().usable_ram(), gib(3));
    EXPECT_EQ(read().ram_available, gib(2));
    EXPECT_FALSE(read().cpu.limit.has_value());
    put("sys/fs/cgroup/user.slice/nova.service/memory.max", "2147483648\n");
    EXPECT_EQ(read().usable_ram(), gib(2));
}

TEST_F(HostFactsTest, LetsAVersion1LimitWinAlsoInTheHybridLayout) {
    put_x86();
    // Inside a container the named path is the host's: only the top of the mount is there.
    put("proc/self/cgroup", "9:name=systemd:/docker/abc\n4:memory:/docker/abc\n2:cpuacct,cpu:/"
                            "docker/abc\n0::/docker/abc\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "536870912\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/memory.max", "1\n");  // must not be looked at
    const auto facts = read();
    EXPECT_EQ(facts.usable_ram(), gib(1));
    EXPECT_EQ(facts.ram_available, mib(512));
    EXPECT_EQ(facts.cpu.limit, 1.0);
    EXPECT_EQ(facts.cpu.usable_cores(), 1U);
}

TEST_F(HostFactsTest, IgnoresVersion1sWordsForNoLimit) {
    put("proc/self/cgroup", "4:memory:/\n2:cpu:/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(read().usable_ram(), gib(16));
    EXPECT_FALSE(read().cpu.limit.has_value());
}

TEST_F(HostFactsTest, StaysInsideItsNamespace) {
    put("proc/self/cgroup", "0::/../../other\n");
    put("sys/fs/cgroup/memory.max", "2147483648\n");
    EXPECT_EQ(read().usable_ram(), gib(2));
}

TEST_F(HostFactsTest, HintsAtContainersAndWsl2) {
    EXPECT_FALSE(read().container);
    EXPECT_FALSE(read().wsl2);
    put(".dockerenv", "");
    put("proc/sys/kernel/osrelease", "5.15.167.4-Microsoft-standard-WSL2\n");
    EXPECT_TRUE(read().container);
    EXPECT_TRUE(read().wsl2);
    fs::remove(root_ / ".dockerenv");
    put("proc/1/cgroup", "0::/kubepods.slice/pod1\n");
    EXPECT_TRUE(read().container);
}

TEST_F(HostFactsTest, KnowsNothingAboutAnEmptyTreeAndSaysSo) {
    const auto facts =
        read_host_facts({.root = root_ / "none", .proc = root_ / "none", .sys = root_ / "none"});
    EXPECT_EQ(facts.cpu.logical_cores, 0U);
    EXPECT_FALSE(facts.usable_ram().has_value());
    EXPECT_FALSE(facts.ram_available.has_value());
}

TEST_F(HostFactsTest, MeasuresDiskOfAFolderThatIsYetToBeMade) {
    const auto here = disk_free(root_);
    ASSERT_TRUE(here.has_value());
    EXPECT_GT(here->count, 0U);
    EXPECT_TRUE(disk_free(root_ / "models" / "later").has_value());
}

}  // namespace
}  // namespace nova::hardware

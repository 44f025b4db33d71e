// The kernel's evidence, from files that look like its own.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "process/oom_kill.hpp"

namespace nova::process {
namespace {

namespace fs = std::filesystem;

class OomKill : public testing::Test {
protected:
    OomKill() {
        fs::create_directories(folder_);
        sources_ = {
            .counters = (folder_ / "vmstat").string(), .kernel_log = (folder_ / "kmsg").string()
        };
    }

    ~OomKill() override { fs::remove_all(folder_); }

    void counter(int value) {
        std::ofstream{sources_.counters} << "nr_free_pages 7\noom_kill " << value << "\nzone 1\n";
    }

    void log(const std::string& text) { std::ofstream{sources_.kernel_log} << text; }

    fs::path folder_ = fs::temp_directory_path() / ("nova-oom-" + std::to_string(::getpid()));
    OomSources sources_;
};

constexpr const char* kKilled = "6,12,90,-;eth0: up\n3,13,120,-;Memory cgroup out of memory: "
                                "Killed process 77 (llama-server)\n";

TEST_F(OomKill, TheLogNamesTheProcess) {
    counter(4);
    log(kKilled);
    EXPECT_EQ(oom_kills(sources_), 4U);
    EXPECT_TRUE(killed_for_memory(77, 3, sources_));
    EXPECT_FALSE(killed_for_memory(7, 3, sources_)) << "another process was killed";
    EXPECT_FALSE(killed_for_memory(77, 4, sources_)) << "an old record, the number came again";
}

TEST_F(OomKill, WithoutTheLogARisenCounterCounts) {
    counter(4);
    EXPECT_TRUE(killed_for_memory(77, 3, sources_));
    EXPECT_FALSE(killed_for_memory(77, 4, sources_));
    EXPECT_FALSE(killed_for_memory(77, std::nullopt, sources_));
}

TEST_F(OomKill, WithoutTheCounterTheLogDecides) {
    EXPECT_FALSE(oom_kills(sources_));
    EXPECT_FALSE(killed_for_memory(77, std::nullopt, sources_));
    log(kKilled);
    EXPECT_TRUE(killed_for_memory(77, std::nullopt, sources_));
    EXPECT_FALSE(killed_for_memory(78, std::nullopt, sources_));
}

TEST_F(OomKill, ThisMachineTellsTheCounter) {
    EXPECT_TRUE(oom_kills());
}

}  // namespace
}  // namespace nova::process

// Records: whole or ignored, and of one installation and slot.
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "process/test_loop.hpp"
#include "runtime/instance_record.hpp"

namespace nova::runtime {
namespace {

InstanceHandle sample(std::string install, std::string slot, std::uint64_t generation) {
    InstanceHandle handle;
    handle.identity = {{std::move(install)}, {std::move(slot)}, {generation}, {"3fa9"}};
    handle.name = "nova-llamacpp";
    handle.endpoint = {.host = "127.0.0.1", .port = 65535, .tls = false};
    handle.log_path = "/var/log/with \"quotes\" and \xc3\xbc.log";
    handle.pid = 4242;
    handle.start_ticks = 987654321;
    handle.boot_id = "b6a1f0f0-0000-4000-8000-000000000000";
    handle.stop_signal = 2;
    handle.grace = std::chrono::seconds{33};
    return handle;
}

class Records : public testing::Test {
protected:
    process::TestFolder folder_;
    InstanceRecords records_{folder_.file("instances")};
};

TEST_F(Records, AreReadBackAsTheyWereWritten) {
    const InstanceHandle handle = sample("ab12", "local", 7);
    ASSERT_TRUE(records_.save(handle));
    const auto found = records_.load({"ab12"}, {"local"});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.front(), handle);
    struct stat facts{};
    ASSERT_EQ(::stat(folder_.file("instances/7-local.json").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(Records, AreReplacedAndRemoved) {
    InstanceHandle handle = sample("ab12", "local", 7);
    records_.save(handle);
    handle.pid = 1;
    records_.save(handle);
    ASSERT_EQ(records_.load({"ab12"}, {"local"}).size(), 1U);
    EXPECT_EQ(records_.load({"ab12"}, {"local"}).front().pid, 1);
    records_.remove(handle.identity);
    records_.remove(handle.identity);
    EXPECT_TRUE(records_.load({"ab12"}, {"local"}).empty());
}

TEST_F(Records, AreThoseOfOneInstallationAndSlot) {
    records_.save(sample("ab12", "local", 7));
    records_.save(sample("ab12", "embed", 7));
    records_.save(sample("cd34", "local", 8));
    EXPECT_EQ(records_.load({"ab12"}, {"local"}).size(), 1U);
    EXPECT_EQ(records_.load({"ab12"}, {"embed"}).size(), 1U);
    EXPECT_TRUE(records_.load({"ef56"}, {"local"}).empty());
}

TEST_F(Records, LeaveOutWhatIsNoRecord) {
    records_.save(sample("ab12", "local", 7));
    const auto write = [this](const std::string& name, const std::string& text) {
        std::ofstream{folder_.file("instances/" + name)} << text;
    };
    Json wrong = to_json(sample("ab12", "local", 8));
    wrong["port"] = 70000;
    write("8-local.json", wrong.dump());
    wrong["port"] = "8080";
    write("9-local.json", wrong.dump());
    write("10-local.json", "{\"runtime\":");
    write("11-local.json", "");
    write("12-local.json.new", to_json(sample("ab12", "local", 12)).dump());
    write("13-local.json", std::string(100'000, ' '));
    EXPECT_EQ(records_.load({"ab12"}, {"local"}).size(), 1U);
}

TEST_F(Records, AreNoneWithoutAFolder) {
    EXPECT_TRUE(records_.load({"ab12"}, {"local"}).empty());
}

TEST_F(Records, SayThatTheyCannotBeWritten) {
    std::ofstream{folder_.file("file")} << "in the way";
    const InstanceRecords records{folder_.file("file/instances")};
    const auto saved = records.save(sample("ab12", "local", 7));
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, ErrorCode::precondition);
    EXPECT_NE(saved.error().message.find("7-local.json"), std::string::npos);
}

}  // namespace
}  // namespace nova::runtime

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "app/provider_secrets.hpp"
#include "core/random.hpp"

namespace nova::app {
namespace {

class ProviderSecretsTest : public testing::Test {
protected:
    ProviderSecretsTest() { std::filesystem::create_directories(folder_); }

    ~ProviderSecretsTest() override { std::filesystem::remove_all(folder_); }

    std::string folder_ =
        (std::filesystem::temp_directory_path() / ("nova-secrets-" + random_hex(6))).string();
    std::string file_ = folder_ + "/secret.key";
    Log log_{Log::Sink::none, LogLevel::debug};
};

TEST_F(ProviderSecretsTest, TheKeyFileIsMadeOnFirstNeedForItsOwnerAlone) {
    ProviderSecrets secrets{file_, log_};
    EXPECT_FALSE(secrets.open("v1.00", "provider/x"));
    EXPECT_FALSE(std::filesystem::exists(file_)) << "reading makes no key";
    const auto sealed = secrets.seal(Secret{"sk-canary-9876"}, "provider/x");
    ASSERT_TRUE(sealed);
    struct stat status{};
    ASSERT_EQ(::stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    ProviderSecrets later{file_, log_};
    EXPECT_EQ(later.open(*sealed, "provider/x")->reveal(), "sk-canary-9876");
    EXPECT_FALSE(later.open(*sealed, "provider/y"));
}

TEST_F(ProviderSecretsTest, AFileThatOthersReadOrThatIsGoneOpensNothing) {
    const auto sealed = ProviderSecrets{file_, log_}.seal(Secret{"sk-canary-9876"}, "p");
    ::chmod(file_.c_str(), 0644);
    EXPECT_EQ(
        (ProviderSecrets{file_, log_}.open(*sealed, "p").error().code), ErrorCode::unauthorized
    );
    std::filesystem::remove(file_);
    EXPECT_EQ((ProviderSecrets{file_, log_}.open(*sealed, "p").error().code), ErrorCode::corrupt);
    std::ofstream{file_} << "short\n";
    ::chmod(file_.c_str(), 0600);
    EXPECT_EQ((ProviderSecrets{file_, log_}.open(*sealed, "p").error().code), ErrorCode::corrupt);
}

TEST_F(ProviderSecretsTest, WhatWasSealedOrOpenedIsBlackedOutInLogs) {
    const auto sealed = ProviderSecrets{file_, log_}.seal(Secret{"canary-in-no-log"}, "p");
    EXPECT_EQ(log_.redactor().clean("x canary-in-no-log y").find("canary"), std::string::npos);
    Log fresh{Log::Sink::none, LogLevel::debug};
    ASSERT_TRUE((ProviderSecrets{file_, fresh}.open(*sealed, "p")));
    EXPECT_EQ(fresh.redactor().clean("canary-in-no-log").find("canary"), std::string::npos);
}

}  // namespace
}  // namespace nova::app

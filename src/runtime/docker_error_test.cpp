// Words of real daemons and what nova makes of them.
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "runtime/docker_error.hpp"

namespace nova::runtime {
namespace {

struct Row {
    std::string_view said;
    std::string_view word;
    ErrorCode code;
};

TEST(DockerError, KnowsWhatDaemonsSay) {
    constexpr Row kRows[] = {
        {"manifest for 127.0.0.1:5000/x:nope not found: manifest unknown: manifest unknown",
         "image_not_found", ErrorCode::not_found},
        {"pull access denied for nobody/x, repository does not exist or may require 'docker login'",
         "image_not_found", ErrorCode::not_found},
        {"write /var/lib/docker/tmp/GetImageBlob1: no space left on device", "disk_full",
         ErrorCode::exhausted},
        {"Get \"http://127.0.0.1:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
         "registry_unreachable", ErrorCode::upstream_failed},
        {"unexpected EOF", "registry_unreachable", ErrorCode::upstream_failed},
        {"driver failed programming external connectivity on endpoint nova-x (1a): Bind for "
         "127.0.0.1:8080 failed: port is already allocated",
         "port_in_use", ErrorCode::precondition},
        {"could not select device driver \"nvidia\" with capabilities: [[gpu]]",
         "gpu_runtime_missing", ErrorCode::precondition},
        {"OCI runtime create failed: exec: \"x\": executable file not found in $PATH: unknown",
         "image_without_program", ErrorCode::unsupported},
        {"Conflict. The container name \"/nova-x\" is already in use by container \"1a\".",
         "name_taken", ErrorCode::conflict},
        {"toomanyrequests: You have reached your pull rate limit.", "pull_limit",
         ErrorCode::rate_limited},
        {"invalid mount config for type \"bind\": bind source path does not exist: /nowhere",
         "folder_missing", ErrorCode::precondition},
    };
    for (const Row& row : kRows) {
        const Error error = docker_error(500, row.said, "Pulling x");
        EXPECT_EQ(error.word, row.word) << row.said;
        EXPECT_EQ(error.code, row.code) << row.said;
        EXPECT_FALSE(error.remedy.empty()) << row.said;
        EXPECT_TRUE(error.message.starts_with("Pulling x failed: ")) << error.message;
        EXPECT_TRUE(error.message.contains(row.said.substr(0, 30))) << error.message;
    }
}

TEST(DockerError, RepeatsWhatItDoesNotKnowWithinBounds) {
    const Error error = docker_error(409, std::string(5000, 'x') + "\n", "Stopping nova-x");
    EXPECT_EQ(error.code, ErrorCode::conflict);
    EXPECT_LT(error.message.size(), 500U);
    EXPECT_EQ(
        docker_error(500, "", "Starting x").message, "Starting x failed: Docker answers 500."
    );
}

TEST(DockerError, SaysWhetherThereIsNoDockerOrNoneThatAnswers) {
    const Error refused{.code = ErrorCode::unavailable, .message = "refused"};
    EXPECT_EQ(
        docker_unavailable("/nowhere/docker.sock", refused).message,
        "There is no Docker at /nowhere/docker.sock."
    );
    const std::string file = std::filesystem::temp_directory_path() / "nova-docker-error-test";
    EXPECT_TRUE(std::filesystem::create_directory(file));
    EXPECT_TRUE(docker_unavailable(file, refused).message.starts_with("Docker is not running"));
    const Error late{.code = ErrorCode::timeout, .message = "late"};
    EXPECT_EQ(docker_unavailable(file, late).code, ErrorCode::timeout);
    std::filesystem::remove(file);
}

}  // namespace
}  // namespace nova::runtime

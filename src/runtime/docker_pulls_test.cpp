// Names of images; pulls themselves are tried on a real daemon and registry in tests/docker.
#include <gtest/gtest.h>

#include "runtime/docker_pulls.hpp"

namespace nova::runtime {
namespace {

struct Row {
    std::string_view image;
    std::string_view repository;
    std::string_view tag;
};

// Without a tag Docker pulls every tag there is.
TEST(DockerPulls, TakeEveryNameForOneImage) {
    constexpr Row kRows[] = {
        {"vllm/vllm-openai:v0.8.5", "vllm/vllm-openai", "v0.8.5"},
        {"ollama/ollama", "ollama/ollama", "latest"},
        {"127.0.0.1:5000/llamacpp:test", "127.0.0.1:5000/llamacpp", "test"},
        {"127.0.0.1:5000/llamacpp", "127.0.0.1:5000/llamacpp", "latest"},
        {"ghcr.io/x/y@sha256:12ab", "ghcr.io/x/y", "sha256:12ab"},
    };
    for (const Row& row : kRows) {
        const auto [repository, tag] = split_image(row.image);
        EXPECT_EQ(repository, row.repository) << row.image;
        EXPECT_EQ(tag, row.tag) << row.image;
    }
}

}  // namespace
}  // namespace nova::runtime

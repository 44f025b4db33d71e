// Frames at every split, and what is no such stream.
#include <gtest/gtest.h>

#include "runtime/docker_stream.hpp"

namespace nova::runtime {
namespace {

std::string frame(char stream, std::string_view text) {
    std::string head(8, '\0');
    head[0] = stream;
    head[6] = static_cast<char>(text.size() / 256);
    head[7] = static_cast<char>(text.size() % 256);
    return head + std::string{text};
}

TEST(DockerStream, IsTheSameForEverySplit) {
    const std::string all = frame(1, "one\n") + frame(2, "two\n") + frame(1, std::string(300, 'x'));
    for (std::size_t at = 0; at <= all.size(); ++at) {
        DockerStream apart{DockerStream::Join::apart, 1000};
        DockerStream mixed{DockerStream::Join::mixed, 1000};
        for (DockerStream* stream : {&apart, &mixed}) {
            ASSERT_TRUE(stream->feed(std::string_view{all}.substr(0, at)));
            ASSERT_TRUE(stream->feed(std::string_view{all}.substr(at)));
        }
        ASSERT_EQ(apart.out(), "one\n" + std::string(300, 'x')) << at;
        ASSERT_EQ(apart.err(), "two\n");
        ASSERT_EQ(mixed.out(), "one\ntwo\n" + std::string(300, 'x'));
    }
}

TEST(DockerStream, KeepsTheNewestBytes) {
    DockerStream stream{DockerStream::Join::mixed, 10};
    for (int i = 0; i < 100; ++i) {
        stream.feed(frame(1, "line" + std::to_string(i) + "\n"));
    }
    EXPECT_LE(stream.out().size(), 20U);
    EXPECT_TRUE(stream.out().ends_with("line99\n"));
    EXPECT_TRUE(stream.cut());
}

TEST(DockerStream, RefusesBareText) {
    DockerStream stream{DockerStream::Join::mixed, 10};
    EXPECT_FALSE(stream.feed("llama_model_loader: loaded"));
}

}  // namespace
}  // namespace nova::runtime

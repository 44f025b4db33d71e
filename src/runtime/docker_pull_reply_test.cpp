// The progress of a pull, from the lines of a real one.
#include <cstdint>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "runtime/docker_pull_reply.hpp"

namespace nova::runtime {
namespace {

constexpr std::string_view kBegin = R"({"status":"Pulling from x","id":"test"}
{"status":"Pulling fs layer","progressDetail":{},"id":"aa"}
{"status":"Pulling fs layer","progressDetail":{},"id":"bb"}
{"status":"Already exists","progressDetail":{},"id":"cc"}
)";
constexpr std::string_view kMiddle =
    R"({"status":"Downloading","progressDetail":{"current":100,"total":1000},"id":"aa"}
{"status":"Downloading","progressDetail":{"current":40,"total":50},"id":"bb"}
)";
constexpr std::string_view kEnd = R"({"status":"Download complete","progressDetail":{},"id":"aa"}
{"status":"Download complete","progressDetail":{},"id":"bb"}
{"status":"Extracting","progressDetail":{"current":3,"total":1000},"id":"aa"}
{"status":"Pull complete","progressDetail":{},"id":"aa"}
{"status":"Digest: sha256:12ab"}
)";

TEST(DockerPullReply, AddsUpLayersAndKnowsNoTotalBeforeAllAreKnown) {
    DockerPullReply reply;
    EXPECT_EQ(reply.detail(), "asking the registry");
    reply.feed(kBegin);
    EXPECT_FALSE(reply.total());
    EXPECT_EQ(reply.detail(), "1 of 3 layers fetched");
    reply.feed(kMiddle);
    EXPECT_EQ(reply.done(), 140U);
    EXPECT_EQ(reply.total(), 1050U);
    EXPECT_FALSE(reply.works_without_bytes());
    reply.feed(kEnd);
    EXPECT_EQ(reply.done(), 1050U);
    EXPECT_EQ(reply.detail(), "2 of 3 layers unpacked");
    EXPECT_TRUE(reply.works_without_bytes());
    EXPECT_EQ(reply.digest(), "sha256:12ab");
    EXPECT_FALSE(reply.error());
}

TEST(DockerPullReply, IsTheSameForEverySplit) {
    const std::string all = std::string{kBegin} + std::string{kMiddle} + std::string{kEnd};
    for (std::size_t at = 0; at <= all.size(); ++at) {
        DockerPullReply reply;
        reply.feed(std::string_view{all}.substr(0, at));
        reply.feed(std::string_view{all}.substr(at));
        ASSERT_EQ(reply.done(), 1050U) << at;
        ASSERT_EQ(reply.digest(), "sha256:12ab") << at;
    }
}

TEST(DockerPullReply, TakesRepeatedLinesAndRetriesForNoMovement) {
    DockerPullReply reply;
    reply.feed(kBegin);
    reply.feed(kMiddle);
    const std::uint64_t before = reply.movement();
    reply.feed(kMiddle);
    reply.feed("{\"status\":\"Retrying in 5 seconds\",\"progressDetail\":{},\"id\":\"aa\"}\n");
    EXPECT_EQ(reply.detail(), "the registry broke off; Docker tries again in 5 seconds");
    EXPECT_EQ(reply.done(), 140U);  // Docker goes on where it was
    reply.feed(kMiddle);
    EXPECT_EQ(reply.movement(), before);
    reply.feed("{\"status\":\"Downloading\",\"progressDetail\":{\"current\":101,\"total\":1000},"
               "\"id\":\"aa\"}\n");
    EXPECT_GT(reply.movement(), before);
}

// A layer that goes on counts what is left, from nothing (moby 20.10); one begun anew, from
// nothing.
TEST(DockerPullReply, NeverRunsBackwardsWhenALayerIsResumed) {
    DockerPullReply reply;
    const auto says = [&](int current, int total) {
        reply.feed(
            R"({"status":"Downloading","id":"aa","progressDetail":{"current":)" +
            std::to_string(current) + R"(,"total":)" + std::to_string(total) + "}}\n"
        );
        return std::pair{reply.done(), reply.total().value_or(0)};
    };
    using Figures = std::pair<std::uint64_t, std::uint64_t>;
    EXPECT_EQ(says(630, 1000), (Figures{630, 1000}));
    EXPECT_EQ(says(0, 370), (Figures{630, 1000}));
    EXPECT_EQ(says(100, 370), (Figures{730, 1000}));
    EXPECT_EQ(says(10, 1000), (Figures{730, 1000}));
    EXPECT_EQ(says(0, -630), (Figures{730, 1000}));
    // What is left is all that is known where the first answer had no length.
    reply = {};
    EXPECT_EQ(says(630, 0), (Figures{630, 0}));
    EXPECT_EQ(says(100, 370), (Figures{630, 630}));
}

// The full bar was seen on a loaded machine: the stall at 63 % was told as one at 100 %.
TEST(DockerPullReply, BelievesNoFullBarBeforeTheLayerIsComplete) {
    DockerPullReply reply;
    reply.feed(R"({"status":"Downloading","progressDetail":{"current":630,"total":1000},"id":"aa"}
)");
    const std::uint64_t before = reply.movement();
    reply.feed(R"({"status":"Downloading","progressDetail":{"current":1000,"total":1000},"id":"aa"}
{"status":"Retrying in 5 seconds","progressDetail":{},"id":"aa"}
)");
    EXPECT_EQ(reply.done(), 630U);
    EXPECT_EQ(reply.movement(), before);
    // The same of one that was resumed.
    reply.feed(R"({"status":"Downloading","progressDetail":{"current":370,"total":370},"id":"aa"}
{"status":"Downloading","progressDetail":{"current":9999,"total":1000},"id":"aa"}
)");
    EXPECT_EQ(reply.done(), 630U);
    EXPECT_EQ(reply.total(), 1000U);
    reply.feed(R"({"status":"Download complete","progressDetail":{},"id":"aa"}
)");
    EXPECT_EQ(reply.done(), 1000U);
    EXPECT_GT(reply.movement(), before);
}

TEST(DockerPullReply, TellsTheErrorInEitherSpelling) {
    DockerPullReply reply;
    reply.feed(R"({"errorDetail":{"message":"manifest unknown"},"error":"older"})"
               "\n");
    EXPECT_EQ(reply.error(), "manifest unknown");
    DockerPullReply older;
    older.feed("{\"error\":\"unexpected EOF\"}\n");
    EXPECT_EQ(older.error(), "unexpected EOF");
}

TEST(DockerPullReply, PassesOverWhatItDoesNotUnderstand) {
    DockerPullReply reply;
    reply.feed("no json\n[]\n{\"status\":7}\n{\"id\":3}\n");
    reply.feed("{\"x\":\"" + std::string(100'000, 'y') + "\"}\n");
    reply.feed("{\"status\":\"Downloading\",\"progressDetail\":{\"current\":-5,\"total\":-1},"
               "\"id\":\"aa\"}\n");
    EXPECT_EQ(reply.done(), 0U);
    EXPECT_FALSE(reply.total());
    reply.feed(kMiddle);
    EXPECT_EQ(reply.done(), 140U);
}

}  // namespace
}  // namespace nova::runtime

#include <gtest/gtest.h>

#include "catalog/pull_reply.hpp"

namespace nova::catalog {
namespace {

constexpr std::string_view kPull =
    "{\"status\":\"pulling manifest\"}\n"
    "{\"status\":\"pulling aa\",\"digest\":\"sha256:aa\",\"total\":100}\n"
    "{\"status\":\"pulling aa\",\"digest\":\"sha256:aa\",\"total\":100,\"completed\":60}\n"
    "{\"status\":\"pulling aa\",\"digest\":\"sha256:aa\",\"total\":100,\"completed\":100}\n"
    "{\"status\":\"pulling bb\",\"digest\":\"sha256:bb\",\"total\":20,\"completed\":5}\n";

TEST(PullReply, AddsUpItsLayersHoweverTheBytesAreSplit) {
    for (std::size_t piece = 1; piece < 40; ++piece) {
        PullReply reply;
        for (std::size_t at = 0; at < kPull.size(); at += piece) {
            reply.feed(kPull.substr(at, piece));
        }
        EXPECT_EQ(reply.done(), 105U);
        EXPECT_EQ(reply.total(), 120U);
        EXPECT_TRUE(reply.moving_bytes());
        EXPECT_FALSE(reply.succeeded());
        reply.feed("{\"status\":\"verifying sha256 digest\"}\n{\"status\":\"success\"}\n");
        EXPECT_FALSE(reply.moving_bytes());
        EXPECT_TRUE(reply.succeeded());
    }
}

TEST(PullReply, AnErrorLineIsTheEndWhateverFollows) {
    PullReply reply;
    EXPECT_FALSE(reply.total());
    reply.feed("{\"status\":\"pulling manifest\"}\nno json\n[]\n");
    reply.feed("{\"error\":\"pull model manifest: file does not exist\"}\n");
    reply.feed("{\"status\":\"success\"}\n");
    EXPECT_FALSE(reply.succeeded());
    ASSERT_TRUE(reply.error());
    EXPECT_EQ(explain_pull_error(*reply.error(), "x:1").code, ErrorCode::not_found);
}

TEST(PullReply, DoesNotBelieveFiguresThatCannotBe) {
    PullReply reply;
    reply.feed("{\"status\":\"p\",\"digest\":\"a\",\"total\":10,\"completed\":99}\n");
    EXPECT_EQ(reply.done(), 10U);
    reply.feed("{\"status\":\"p\",\"digest\":\"b\",\"total\":-5,\"completed\":1}\n");
    reply.feed("{\"status\":\"p\",\"digest\":\"c\",\"total\":9223372036854775807}\n");
    reply.feed(std::string(200'000, 'x') + "\n");
    EXPECT_EQ(reply.total(), 10U);
    reply.feed("{\"status\":\"success\"}\n");
    EXPECT_TRUE(reply.succeeded());
}

TEST(PullReply, ExplainsWhatOllamaSays) {
    struct Row {
        const char* words;
        ErrorCode code;
    };

    for (const Row& row :
         {Row{"pull model manifest: file does not exist", ErrorCode::not_found},
          Row{"write /x: no space left on device", ErrorCode::exhausted},
          Row{"pull model manifest: 401: {\"error\":\"Invalid username\"}", ErrorCode::forbidden},
          Row{"Get \"https://registry.ollama.ai/v2/\": dial tcp: lookup r: no such host",
              ErrorCode::unavailable},
          Row{"max retries exceeded: unexpected EOF", ErrorCode::unavailable},
          Row{"pull model manifest: 412: requires a newer version of Ollama", ErrorCode::unsupported
          },
          Row{"digest mismatch, file must be downloaded again", ErrorCode::upstream_failed},
          Row{"something new", ErrorCode::upstream_failed}}) {
        const Error error = explain_pull_error(row.words, "m:1");
        EXPECT_EQ(error.code, row.code) << row.words;
        EXPECT_TRUE(error.message.contains("m:1")) << error.message;
        EXPECT_FALSE(error.remedy.empty()) << row.words;
    }
}

}  // namespace
}  // namespace nova::catalog

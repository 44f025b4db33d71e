#include <gtest/gtest.h>

#include "catalog/hub_reply.hpp"

namespace nova::catalog {
namespace {

TEST(HubReply, ReadsAListOfFilesAndLeavesOutWhatIsNone) {
    const std::string hash(64, 'a');
    const auto entries = parse_hub_tree(
        R"([{"type":"directory","path":"Q4","size":0},
            {"type":"file","path":"Q4/m.gguf","size":133,"oid":"b1","lfs":{"oid":")" +
        hash + R"(","size":5000,"pointerSize":133}},
            {"type":"file","path":"README.md","size":12,"oid":"c2"},
            {"type":"file","path":"../../etc/x.gguf","size":1},
            {"type":"file","path":"/abs.gguf","size":1},
            {"type":"file","path":"a//b.gguf","size":1},
            {"type":"file","path":"neg.gguf","size":-1},
            {"type":"file","path":7,"size":1}, 3, null])"
    );
    ASSERT_TRUE(entries) << entries.error().message;
    const std::vector<HubEntry> wanted{
        {.path = "Q4/m.gguf", .size = 5000, .sha256 = hash}, {.path = "README.md", .size = 12}
    };
    EXPECT_EQ(*entries, wanted);
}

TEST(HubReply, SaysWhenItIsAWebPageOrNoList) {
    const auto page = parse_hub_tree("\n <!DOCTYPE html><html>Sign in</html>");
    ASSERT_FALSE(page);
    EXPECT_TRUE(page.error().message.contains("web page")) << page.error().message;
    for (const char* body : {"", "{}", "[", "nonsense"}) {
        const auto entries = parse_hub_tree(body);
        ASSERT_FALSE(entries) << body;
        EXPECT_EQ(entries.error().code, ErrorCode::upstream_failed);
        EXPECT_FALSE(entries.error().remedy.empty());
    }
}

TEST(HubReply, FindsTheNextPage) {
    EXPECT_EQ(next_page(R"(<https://h/a?cursor=x>; rel="next")"), "https://h/a?cursor=x");
    EXPECT_EQ(next_page(R"(<https://h/0>; rel="prev", </b>; rel="next")"), "/b");
    for (const char* none : {"", "<", ">", "<a>; rel=\"prev\"", "rel=\"next\""}) {
        EXPECT_EQ(next_page(none), "") << none;
    }
}

TEST(HubReply, ReadsContentRangeStrictly) {
    const auto range = parse_content_range("bytes 100-199/200");
    ASSERT_TRUE(range);
    EXPECT_EQ(range->first, 100U);
    EXPECT_EQ(range->total, 200U);
    EXPECT_FALSE(parse_content_range("bytes 0-1/*")->total);
    for (const char* text :
         {"", "bytes", "bytes 5-4/9", "bytes 0-9/9", "bytes 0-1/2x", "bytes */9", "items 0-1/2"}) {
        EXPECT_FALSE(parse_content_range(text)) << text;
    }
    EXPECT_EQ(retry_after_from("12"), std::chrono::seconds{12});
    EXPECT_FALSE(retry_after_from("Wed, 21 Oct 2026 07:28:00 GMT"));
}

struct Row {
    int status;
    const char* error_code;
    TokenSent token;
    ErrorCode code;
    const char* remedy;  // part of it
};

TEST(HubReply, ExplainsEveryRefusalWithARemedy) {
    constexpr const char* kPage = "https://hub/org/repo";
    for (const Row& row :
         {Row{401, "GatedRepo", TokenSent::no, ErrorCode::forbidden, "Accept the licence at https:"
          },
          Row{403, "GatedRepo", TokenSent::yes, ErrorCode::forbidden, "HF_TOKEN"},
          Row{403, "", TokenSent::no, ErrorCode::forbidden, "Accept the licence"},
          Row{403, "", TokenSent::yes, ErrorCode::forbidden, "Ask for access"},
          Row{401, "", TokenSent::yes, ErrorCode::unauthorized, "new token"},
          Row{401, "RepoNotFound", TokenSent::no, ErrorCode::not_found, "spelling"},
          Row{404, "EntryNotFound", TokenSent::no, ErrorCode::not_found, "spelling"},
          Row{429, "", TokenSent::no, ErrorCode::rate_limited, "Wait"},
          Row{500, "", TokenSent::no, ErrorCode::upstream_failed, "later"},
          Row{418, "", TokenSent::no, ErrorCode::upstream_failed, "later"}}) {
        const Error error = explain_refusal(
            {.status = row.status,
             .error_code = row.error_code,
             .error_message = "line\nbreak",
             .retry_after = std::chrono::seconds{7},
             .token = row.token},
            "org/repo", kPage
        );
        EXPECT_EQ(error.code, row.code) << row.status << row.error_code;
        EXPECT_TRUE(error.remedy.contains(row.remedy)) << row.status << ": " << error.remedy;
        EXPECT_FALSE(error.message.contains('\n'));
    }
}

}  // namespace
}  // namespace nova::catalog

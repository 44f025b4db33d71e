// Fields, tokens and query parameters.
#include <gtest/gtest.h>

#include "net/http_message.hpp"

namespace nova::net {
namespace {

TEST(Headers, FindsTheFirstFieldInAnyCase) {
    Headers headers;
    headers.add("Content-Type", "a");
    headers.add("X-Empty", "");
    headers.add("content-type", "b");
    EXPECT_EQ(headers.find("CONTENT-TYPE"), "a");
    EXPECT_EQ(headers.count("Content-Type"), 2U);
    EXPECT_TRUE(headers.has("x-empty"));
    EXPECT_FALSE(headers.has("x-other"));
}

TEST(Headers, SeesTokensInListsAndAcrossFields) {
    Headers headers;
    headers.add("Connection", "keep-alive , X-Foo");
    headers.add("connection", "Close");
    EXPECT_TRUE(headers.has_token("Connection", "close"));
    EXPECT_TRUE(headers.has_token("Connection", "x-foo"));
    EXPECT_FALSE(headers.has_token("Connection", "foo"));
    EXPECT_FALSE(headers.has_token("Connection", "keep"));
}

TEST(RequestHead, SplitsTheTargetAtTheFirstQuestionMark) {
    const RequestHead head{.method = "GET", .target = "/a?b=c?d", .headers = {}};
    EXPECT_EQ(head.path(), "/a");
    EXPECT_EQ(head.query(), "b=c?d");
    const RequestHead bare{.method = "GET", .target = "/a", .headers = {}};
    EXPECT_EQ(bare.path(), "/a");
    EXPECT_EQ(bare.query(), "");
}

TEST(QueryParameter, IsDecodedAndTellsMissingFromEmpty) {
    using Pair = std::pair<bool, std::string>;
    EXPECT_EQ(query_parameter("a=b%20c+d&e", "a"), (Pair{true, "b c d"}));
    EXPECT_EQ(query_parameter("a=b&e", "e"), (Pair{true, ""}));
    EXPECT_EQ(query_parameter("a=b&e", "x"), (Pair{false, ""}));
    EXPECT_EQ(query_parameter("%61=1", "a"), (Pair{true, "1"}));
    EXPECT_EQ(query_parameter("a=100%", "a"), (Pair{true, "100%"}));
    EXPECT_EQ(query_parameter("", "a"), (Pair{false, ""}));
}

}  // namespace
}  // namespace nova::net

#include <gtest/gtest.h>

#include "catalog/web_url.hpp"

namespace nova::catalog {
namespace {

TEST(WebUrl, KeepsTheQueryForTheServerAndHidesItFromPeople) {
    const auto url = parse_web_url("https://cdn.example/a/b.gguf?sig=abc&x=1#part");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->endpoint, (Endpoint{.host = "cdn.example", .port = 443, .tls = true}));
    EXPECT_EQ(url->target, "/a/b.gguf?sig=abc&x=1");
    EXPECT_EQ(url->path(), "/a/b.gguf");
    EXPECT_EQ(url->shown(), "https://cdn.example/a/b.gguf");
    EXPECT_EQ(parse_web_url("http://127.0.0.1:81")->target, "/");
    for (const char* text :
         {"ftp://a/b", "https:///b", "https://u:p@a/b", "https://a/b c", "a/b"}) {
        EXPECT_FALSE(parse_web_url(text)) << text;
    }
}

TEST(WebUrl, FollowsEveryFormOfRedirect) {
    const WebUrl from = *parse_web_url("https://hub.example/org/repo/resolve/main/a.gguf?d=1");

    struct Row {
        const char* location;
        const char* leads;
    };

    for (const Row& row :
         {Row{"https://cdn.example/x?sig=1", "https://cdn.example/x"},
          Row{"/api/cache/x?y=2", "https://hub.example/api/cache/x"},
          Row{"b.gguf", "https://hub.example/org/repo/resolve/main/b.gguf"},
          Row{"../b/../c.gguf", "https://hub.example/org/repo/resolve/c.gguf"},
          Row{"//other.example/x", "https://other.example/x"},
          Row{"?z=1", "https://hub.example/org/repo/resolve/main/a.gguf"},
          Row{"/../../..", "https://hub.example/"}}) {
        const auto url = redirected(from, row.location);
        ASSERT_TRUE(url) << row.location;
        EXPECT_EQ(url->shown(), row.leads) << row.location;
    }
    EXPECT_EQ(redirected(from, "/a?y=2")->target, "/a?y=2");
    for (const char* location : {"", "#x", "ftp://a/b", "http://", "javascript:x", "/a b"}) {
        EXPECT_FALSE(redirected(from, location)) << location;
    }
}

TEST(WebUrl, EscapesNamesOfFiles) {
    EXPECT_EQ(percent_encoded_path("Q4/a b#1%.gguf"), "Q4/a%20b%231%25.gguf");
}

}  // namespace
}  // namespace nova::catalog

// Event streams at every split of their bytes.
#include <gtest/gtest.h>

#include "net/sse.hpp"

namespace nova::net {
namespace {

std::string text_of(const SseEvent& event) {
    return "[" + event.event + "|" + event.data + "|" + event.id + "|" +
           (event.has_data ? "d" : "-") + (event.comment_only ? "c" : "-") + "]";
}

std::string drain(SseParser& parser) {
    std::string out;
    while (const auto event = parser.next()) {
        out += text_of(*event);
    }
    return out;
}

struct Row {
    std::string_view name;
    std::string stream;
    std::string events;
};

std::vector<Row> rows() {
    return {
        {"plain", "data: a\n\n", "[|a||d-]"},
        {"crlf", "data: a\r\n\r\ndata: b\r\n\r\n", "[|a||d-][|b||d-]"},
        {"crlf between fields", "event: x\r\ndata: a\r\ndata: b\r\n\r\n", "[x|a\nb||d-]"},
        {"cr", "data: a\r\rdata: b\r\r", "[|a||d-][|b||d-]"},
        {"mixed", "data: a\r\n\ndata: b\n\r\ndata: c\r\n\rdata: d\n\n",
         "[|a||d-][|b||d-][|c||d-][|d||d-]"},
        {"no space", "data:{\"a\":1}\n\n", "[|{\"a\":1}||d-]"},
        {"two spaces", "data:  a\n\n", "[| a||d-]"},
        {"several data lines", "data: a\ndata\ndata: b\n\n", "[|a\n\nb||d-]"},
        {"event and id", "event: ping\nid: 7\ndata: {}\n\n", "[ping|{}|7|d-]"},
        {"event without data", "event: ping\n\n", "[ping|||--]"},
        {"comment", ": hello\n\ndata: a\n\n", "[|||-c][|a||d-]"},
        {"comment inside", ": x\ndata: a\n: y\n\n", "[|a||d-]"},
        {"blank lines", "\n\n\ndata: a\n\n\n", "[|a||d-]"},
        {"retry only", "retry: 10\n\n", "[|||--]"},
        {"unknown field", "foo: bar\ndata: a\n\n", "[|a||d-]"},
        {"byte order mark",
         "\xEF\xBB\xBF"
         "data: a\n\n",
         "[|a||d-]"},
        {"unfinished", "data: a\n\ndata: b\n", "[|a||d-]"},
        {"done in content", "data: say [DONE]\n\ndata: [DONE]\n\n", "[|say [DONE]||d-][|[DONE]||d-]"
        },
        {"utf-8", "data: \xC3\xA4\xF0\x9F\x98\x80\n\n", "[|\xC3\xA4\xF0\x9F\x98\x80||d-]"},
    };
}

TEST(SseParser, GivesTheSameEventsAtEverySplit) {
    for (const Row& row : rows()) {
        SCOPED_TRACE(row.name);
        for (std::size_t first = 0; first <= row.stream.size(); ++first) {
            for (std::size_t second = first; second <= row.stream.size(); ++second) {
                SseParser parser;
                ASSERT_TRUE(parser.feed(std::string_view{row.stream}.substr(0, first)));
                std::string events = drain(parser);
                const auto middle = std::string_view{row.stream}.substr(first, second - first);
                ASSERT_TRUE(parser.feed(middle));
                events += drain(parser);
                ASSERT_TRUE(parser.feed(std::string_view{row.stream}.substr(second)));
                events += drain(parser);
                ASSERT_EQ(events, row.events) << first << " " << second;
            }
        }
    }
}

TEST(SseParser, GivesAnEventWithItsBlankLineNotLater) {
    SseParser parser;
    ASSERT_TRUE(parser.feed("data: a\r\r"));
    EXPECT_TRUE(parser.next().has_value());
    EXPECT_TRUE(parser.at_border());
    ASSERT_TRUE(parser.feed("\ndata: b"));  // the \n belongs to the \r before
    EXPECT_FALSE(parser.at_border());
    EXPECT_FALSE(parser.next().has_value());
}

TEST(SseParser, LimitsOneEventNotTheStream) {
    SseParser parser{100};
    std::string many;
    for (int i = 0; i < 50; ++i) {
        many += "data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\n";
    }
    ASSERT_TRUE(parser.feed(many));
    EXPECT_EQ(parser.feed("data: " + std::string(100, 'a')).error().code, ErrorCode::too_large);
    EXPECT_FALSE(parser.feed("\n\n"));
    int events = 0;
    while (parser.next()) {
        ++events;
    }
    EXPECT_EQ(events, 50);
    SseParser lines{100};
    Result<void> fed;
    for (int i = 0; i < 30 && fed; ++i) {
        fed = lines.feed("data: a\n");
    }
    EXPECT_FALSE(fed);
}

TEST(SseWriter, IsReadBackByTheParser) {
    for (const std::string data : {"", "a", "a\nb", "a\r\nb\rc", "\n", " a"}) {
        SseParser parser;
        ASSERT_TRUE(parser.feed(sse_event("name", data, "id")));
        const auto event = parser.next();
        ASSERT_TRUE(event.has_value());
        std::string expected = data == "a\r\nb\rc" ? "a\nb\nc" : data;
        EXPECT_EQ(text_of(*event), "[name|" + expected + "|id|d-]");
        EXPECT_FALSE(parser.next().has_value());
        EXPECT_TRUE(parser.at_border());
    }
    EXPECT_EQ(sse_event("", "x"), "data: x\n\n");
    EXPECT_EQ(sse_event("a\ndata: evil", "x"), "event: a\ndata: x\n\n");
    EXPECT_EQ(sse_comment("ok\ndata: evil"), ": ok\n\n");
}

}  // namespace
}  // namespace nova::net

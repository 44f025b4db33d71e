#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"

namespace nova::conform {
namespace {

TEST(Events, AreReadWithEveryLineEnd) {
    for (const char* body :
         {"event: a\ndata: {\"x\":1}\n\ndata:[DONE]\n\n",
          "event: a\r\ndata: {\"x\":1}\r\n\r\ndata:[DONE]\r\n\r\n",
          ": hello\n\nevent: a\rdata: {\"x\":1}\r\rdata:[DONE]\r\r"}) {
        const Recording recording = read_events(body);
        EXPECT_EQ(recording.broken, "");
        ASSERT_EQ(recording.events.size(), 2U);
        EXPECT_EQ(recording.events[0].name, "a");
        EXPECT_EQ(recording.events[1].data, "[DONE]");
        EXPECT_EQ(chunks_of(recording).size(), 1U);
    }
}

TEST(Events, JoinTheirLinesOfData) {
    EXPECT_EQ(read_events("data: a\ndata: b\n\n").events[0].data, "a\nb");
}

TEST(Events, SayWhatIsBroken) {
    EXPECT_NE(read_events("data: a\n").broken, "");
    EXPECT_NE(read_events("data: a").broken, "");
    EXPECT_NE(read_events("nonsense\n\ndata: a\n\n").broken, "");
    EXPECT_EQ(read_events("").broken, "");
}

TEST(Lines, HaveAnObjectAndAnEndEach) {
    EXPECT_EQ(read_lines("{}\n{\"a\":1}\n").broken, "");
    EXPECT_EQ(read_lines("{}\n{\"a\":1}\n").lines.size(), 2U);
    EXPECT_NE(read_lines("{}\n{}").broken, "");
    EXPECT_NE(read_lines("{}\n[1]\n").broken, "");
}

TEST(Utf8, IsJudgedStrictly) {
    EXPECT_TRUE(is_utf8("a\u00fc\u65e5\U0001F600"));
    EXPECT_FALSE(is_utf8("\xff"));
    EXPECT_FALSE(is_utf8("\xe6\x97"));
    EXPECT_FALSE(is_utf8("\x97"));
}

TEST(Members, AreNullWhereTheyAreNot) {
    const Json value{{"a", {{"b", Json::array({1, 2})}}}};
    EXPECT_EQ(at(within(value, {"a", "b"}), std::size_t{1}), 2);
    EXPECT_TRUE(within(value, {"a", "c", "d"}).is_null());
    EXPECT_TRUE(at(value, std::size_t{0}).is_null());
    EXPECT_EQ(text_at(value, "a"), "");
}

// The check value of CRC-32 (ITU-T V.42) over "123456789" is CBF43926.
TEST(Gzip, HasHeaderLengthAndChecksum) {
    const std::string file = gzipped("123456789");
    ASSERT_EQ(file.size(), 10U + 5U + 9U + 8U);
    EXPECT_EQ(file.substr(0, 3), "\x1f\x8b\x08");
    EXPECT_EQ(file.substr(15, 9), "123456789");
    EXPECT_EQ(file.substr(24, 4), "\x26\x39\xf4\xcb");
    EXPECT_EQ(file.substr(28), std::string("\x09\0\0\0", 4));
    EXPECT_EQ(gzipped(std::string(70'000, 'a')).size(), 10U + 5U + 5U + 70'000U + 8U);
}

}  // namespace
}  // namespace nova::conform

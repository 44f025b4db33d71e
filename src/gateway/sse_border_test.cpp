#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/sse_border.hpp"

namespace nova::gateway {
namespace {

TEST(SseBorder, FindsTheLastEmptyLine) {
    struct Row {
        std::string bytes;
        std::size_t border;
    };

    const std::vector<Row> rows{
        {"", 0},
        {"data: x", 0},
        {"data: x\n", 0},
        {"data: x\n\n", 9},
        {"data: x\n\ndata: y", 9},
        {"data: x\r\n\r\n", 11},
        {"data: x\r\n", 0},
        {"data: x\r\r", 9},
        {"data: x\n\r\n", 10},
        {"a\n\nb\n\nc\n", 6},
        {"\n\n", 2},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(sse_border(row.bytes), row.border) << row.bytes;
    }
}

// What leaves through the hold, byte for byte, however the stream is cut into pieces.
TEST(SseHold, LosesAndReordersNothingAtAnySplit) {
    for (const std::string end : {"\n\n", "\r\n\r\n", "\r\r"}) {
        const std::string stream = "data: one" + end + ": comment" + end + "event: x\ndata: two" +
                                   end + "data: [DONE]" + end;
        for (std::size_t a = 0; a <= stream.size(); ++a) {
            for (std::size_t b = a; b <= stream.size(); ++b) {
                SseHold hold{1024};
                std::string out;
                for (const std::string& piece :
                     {stream.substr(0, a), stream.substr(a, b - a), stream.substr(b)}) {
                    const auto split = hold.split(piece);
                    out += split.held;
                    out += split.now;
                    if (!split.now.empty() && split.held.empty()) {
                        EXPECT_EQ(sse_border(out), out.size()) << a << " " << b;
                    }
                    hold.keep(split);
                }
                out += hold.held();
                ASSERT_EQ(out, stream) << a << " " << b;
            }
        }
    }
}

TEST(SseHold, HalfAnEventWaitsForItsRest) {
    SseHold hold{1024};
    auto split = hold.split("data: a\n\ndata: {\"x\"");
    EXPECT_EQ(split.now, "data: a\n\n");
    hold.keep(split);
    EXPECT_EQ(hold.held(), "data: {\"x\"");
    split = hold.split(":1}\n\n");
    EXPECT_EQ(split.held, "data: {\"x\"");
    EXPECT_EQ(split.now, ":1}\n\n");
    hold.keep(split);
    EXPECT_TRUE(hold.held().empty());
}

TEST(SseHold, AnEventBeyondTheLimitIsLetGo) {
    SseHold hold{8};
    auto split = hold.split("data: 0123456789");
    EXPECT_EQ(split.now, "data: 0123456789");
    hold.keep(split);
    EXPECT_TRUE(hold.held().empty());
}

}  // namespace
}  // namespace nova::gateway

// Bodies at every split, and what chunked coding may not look like.
#include <algorithm>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "net/http_codec.hpp"

namespace nova::net {
namespace {

using namespace std::string_view_literals;

struct ChunkRow {
    std::string_view name;
    std::string text;
    bool accepted;
    std::string data{};
};

std::vector<ChunkRow> chunk_rows() {
    return {
        {"empty", "0\r\n\r\n", true, ""},
        {"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", true, "hello world"},
        {"hex", "A\r\n0123456789\r\n0b\r\n0123456789a\r\n000\r\n\r\n", true, "01234567890123456789a"
        },
        {"extension", "1;a=b\r\nx\r\n1 ; a=\"b;c\"\r\ny\r\n0;z\r\n\r\n", true, "xy"},
        {"trailer", "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", true, "x"},
        {"data with line ends", "4\r\n\r\n\r\n\r\n0\r\n\r\n", true, "\r\n\r\n"},
        {"no size", "\r\nx\r\n0\r\n\r\n", false},
        {"sign", "+1\r\nx\r\n0\r\n\r\n", false},
        {"minus", "-1\r\nx\r\n0\r\n\r\n", false},
        {"0x", "0x1\r\nx\r\n0\r\n\r\n", false},
        {"space in front", " 1\r\nx\r\n0\r\n\r\n", false},
        {"underscore", "1_0\r\nx\r\n0\r\n\r\n", false},
        {"lf size line", "1\nx\r\n0\r\n\r\n", false},
        {"lf after data", "1\r\nx\n0\r\n\r\n", false},
        {"lf in extension", "1;a\nb\r\nx\r\n0\r\n\r\n", false},
        {"cr in extension", "1;a\rb\r\nx\r\n0\r\n\r\n", false},
        {"nul in extension", std::string{"1;a\0\r\nx\r\n0\r\n\r\n"sv}, false},
        {"longer than its size", "1\r\nxy\r\n0\r\n\r\n", false},
        {"17 digits", "00000000000000001\r\nx\r\n0\r\n\r\n", false},
        {"16 digits", "0000000000000001\r\nx\r\n0\r\n\r\n", true, "x"},
        {"extension too long", "1;" + std::string(9000, 'a') + "\r\nx\r\n0\r\n\r\n", false},
        {"trailer too long", "0\r\nA: " + std::string(17'000, 'a') + "\r\n\r\n", false},
        {"lf in trailer", "0\r\nA: b\n\r\n", false},
        {"no end", "0\r\n\rx", false},
    };
}

struct Decoded {
    bool accepted = false;
    bool done = false;
    std::string data{};
    std::size_t consumed = 0;

    bool operator==(const Decoded&) const = default;
};

// Feeds text in pieces of the given sizes, the last one repeated.
Decoded decode(const Framing& framing, std::string_view text, std::span<const std::size_t> sizes) {
    BodyDecoder decoder{framing};
    Decoded result;
    std::size_t piece = 0;
    std::string buffer;
    for (std::size_t at = 0; at < text.size() && !decoder.done();) {
        const std::size_t size =
            std::max<std::size_t>(sizes[std::min(piece++, sizes.size() - 1)], 1);
        buffer.append(text.substr(at, size));
        at += size;
        while (true) {
            const auto step = decoder.next(buffer);
            if (!step) {
                return {};
            }
            result.data.append(step->data);
            result.consumed += step->consumed;
            buffer.erase(0, step->consumed);
            if (step->consumed == 0 || step->done) {
                break;
            }
        }
    }
    result.accepted = true;
    result.done = decoder.done();
    return result;
}

TEST(BodyDecoder, TakesChunkedBodiesApartOrRefusesThem) {
    for (const ChunkRow& row : chunk_rows()) {
        SCOPED_TRACE(row.name);
        const std::size_t whole[] = {row.text.size()};
        const Framing framing{.kind = BodyKind::chunked};
        const Decoded decoded = decode(framing, row.text, whole);
        EXPECT_EQ(decoded.accepted, row.accepted);
        if (row.accepted) {
            EXPECT_TRUE(decoded.done);
            EXPECT_EQ(decoded.data, row.data);
            EXPECT_EQ(decoded.consumed, row.text.size());
        }
    }
}

TEST(BodyDecoder, GivesTheSameDataAtEverySplit) {
    for (const ChunkRow& row : chunk_rows()) {
        if (row.text.size() > 200) {
            continue;
        }
        SCOPED_TRACE(row.name);
        const Framing framing{.kind = BodyKind::chunked};
        const std::size_t whole[] = {row.text.size() + 4};
        const Decoded expected = decode(framing, row.text + "NEXT", whole);
        for (std::size_t first = 1; first < row.text.size(); ++first) {
            for (std::size_t second = 1; second < row.text.size(); ++second) {
                const std::size_t sizes[] = {first, second, row.text.size() + 4};
                EXPECT_EQ(decode(framing, row.text + "NEXT", sizes), expected);
            }
        }
        const std::size_t single[] = {1};
        EXPECT_EQ(decode(framing, row.text + "NEXT", single), expected);
    }
}

TEST(BodyDecoder, TakesExactlyTheAnnouncedLength) {
    const Framing framing{.kind = BodyKind::length, .length = 5};
    const std::size_t sizes[] = {2, 2, 100};
    const Decoded expected{.accepted = true, .done = true, .data = "hello", .consumed = 5};
    EXPECT_EQ(decode(framing, "helloGET /", sizes), expected);
    BodyDecoder decoder{framing};
    ASSERT_TRUE(decoder.next("hel").has_value());
    EXPECT_EQ(decoder.remaining(), 2U);
    EXPECT_EQ(decoder.end_of_input().error().code, ErrorCode::unavailable);
}

TEST(BodyDecoder, EndsWithTheConnectionOnlyWhereThatIsTheFraming) {
    BodyDecoder until_close{Framing{.kind = BodyKind::until_close}};
    EXPECT_EQ(until_close.next("abc")->data, "abc");
    EXPECT_FALSE(until_close.done());
    EXPECT_TRUE(until_close.end_of_input().has_value());
    EXPECT_TRUE(until_close.done());
    BodyDecoder chunked{Framing{.kind = BodyKind::chunked}};
    ASSERT_TRUE(chunked.next("1\r\nx\r\n").has_value());
    EXPECT_FALSE(chunked.end_of_input().has_value());
}

TEST(BodyDecoder, EndsAFloodOfTinyChunksWithLongExtensions) {
    BodyDecoder decoder{Framing{.kind = BodyKind::chunked}};
    const std::string chunk = "1;" + std::string(1000, 'a') + "\r\nx\r\n";
    bool refused = false;
    for (int i = 0; i < 20 && !refused; ++i) {
        std::string_view rest = chunk;
        while (!rest.empty() && !refused) {
            const auto step = decoder.next(rest);
            refused = !step;
            rest.remove_prefix(step ? step->consumed : 0);
        }
    }
    EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace nova::net

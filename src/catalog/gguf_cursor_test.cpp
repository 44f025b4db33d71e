// The cursor alone: widths, signs, buffer borders, and its first trouble staying.
#include <string>

#include <gtest/gtest.h>

#include "catalog/gguf_builder.hpp"
#include "catalog/gguf_cursor.hpp"

namespace nova::catalog {
namespace {

TEST(GgufCursor, ReadsLittleEndianAcrossItsBuffer) {
    std::string bytes(65534, '\0');
    GgufBuilder::append(bytes, 0x1122334455667788, 8);
    MemoryBytes source{bytes_of(bytes)};
    GgufCursor cursor{source};
    cursor.skip(65534);
    EXPECT_EQ(cursor.u64(), 0x1122334455667788U);
    EXPECT_TRUE(cursor.ok());
    EXPECT_EQ(cursor.position(), bytes.size());
}

TEST(GgufCursor, TakesNegativeNumbersAsNoFigure) {
    std::string bytes;
    GgufBuilder::append(bytes, 0xFF, 1);
    GgufBuilder::append(bytes, 0x7F, 1);
    GgufBuilder::append(bytes, ~std::uint64_t{0}, 8);
    GgufBuilder::append(bytes, ~std::uint64_t{0}, 8);
    MemoryBytes source{bytes_of(bytes)};
    GgufCursor cursor{source};
    EXPECT_FALSE(cursor.integer(GgufType::i8).has_value());
    EXPECT_EQ(cursor.integer(GgufType::i8), 127U);
    EXPECT_FALSE(cursor.integer(GgufType::i64).has_value());
    EXPECT_EQ(cursor.integer(GgufType::u64), ~std::uint64_t{0});
    EXPECT_TRUE(cursor.ok());
}

TEST(GgufCursor, StaysAtItsFirstTrouble) {
    const std::string bytes = "abc";
    MemoryBytes source{bytes_of(bytes)};
    GgufCursor cursor{source};
    cursor.byte();
    EXPECT_EQ(cursor.u32(), 0U);
    EXPECT_EQ(cursor.trouble(), GgufCursor::Trouble::ended);
    cursor.malformed("later");
    EXPECT_EQ(cursor.trouble(), GgufCursor::Trouble::ended);
    EXPECT_EQ(cursor.byte(), 0);
}

TEST(GgufCursor, KeepsOnlyTheBeginningOfALongText) {
    std::string bytes;
    GgufBuilder::append_text(bytes, std::string(1000, 'x'));
    bytes += "!";
    MemoryBytes source{bytes_of(bytes)};
    GgufCursor cursor{source};
    EXPECT_EQ(cursor.text(1000, 10), "xxxxxxxxxx");
    EXPECT_EQ(cursor.byte(), '!');
}

// A source that claims to be enormous and gives zeros: the limit on the header must hold.
class EndlessBytes final : public ByteSource {
public:
    std::uint64_t size() const override { return std::uint64_t{1} << 60U; }

    Result<std::size_t> read_at(std::uint64_t /*offset*/, std::span<std::byte> into) override {
        return into.size();
    }
};

TEST(GgufCursor, ReadsNoHeaderBeyondItsLimit) {
    EndlessBytes source;
    GgufCursor cursor{source};
    cursor.skip(std::uint64_t{256} << 20U);
    EXPECT_TRUE(cursor.ok());
    cursor.byte();
    EXPECT_EQ(cursor.trouble(), GgufCursor::Trouble::malformed);
    EXPECT_TRUE(cursor.reason().contains("256 MiB")) << cursor.reason();
}

}  // namespace
}  // namespace nova::catalog

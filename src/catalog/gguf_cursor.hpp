// Walks a GGUF header byte by byte with every length checked; private to gguf.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "catalog/byte_source.hpp"

namespace nova::catalog {

// The value types of the format (ggml docs/gguf.md).
enum class GgufType : std::uint32_t {
    u8 = 0,
    i8 = 1,
    u16 = 2,
    i16 = 3,
    u32 = 4,
    i32 = 5,
    f32 = 6,
    boolean = 7,
    string = 8,
    array = 9,
    u64 = 10,
    i64 = 11,
    f64 = 12,
};

// Reads are sticky: after the first failure every read gives zero, and loops ask ok().
class GgufCursor {
public:
    enum class Trouble : std::uint8_t { none, ended, malformed, unreadable };

    explicit GgufCursor(ByteSource& source) : source_{source} {}

    bool ok() const { return trouble_ == Trouble::none; }

    Trouble trouble() const { return trouble_; }

    const std::string& reason() const { return reason_; }

    std::uint64_t position() const { return position_; }

    std::uint8_t byte();
    std::uint32_t u32();
    std::uint64_t u64();
    // A string of the format; what is longer than `keep` is passed over, what is longer than
    // `most` is malformed.
    std::string text(std::uint64_t most, std::size_t keep);
    void skip(std::uint64_t count);

    // A whole number of any width; empty for a negative one and for other types, which are
    // passed over.
    std::optional<std::uint64_t> integer(GgufType type);
    void skip_value(GgufType type, unsigned depth = 0);
    // Element type and count of an array whose elements can be there at all.
    std::pair<GgufType, std::uint64_t> array_head();

    void malformed(std::string reason) { stop(Trouble::malformed, std::move(reason)); }

private:
    void stop(Trouble trouble, std::string reason);
    bool fill();
    bool within_limit(std::uint64_t count);

    ByteSource& source_;
    std::array<std::byte, 65536> buffer_{};
    std::uint64_t buffer_start_ = 0;
    std::size_t buffer_size_ = 0;
    std::uint64_t position_ = 0;
    Trouble trouble_ = Trouble::none;
    std::string reason_;
};

// Bytes of one value; 0 for strings and arrays (and unknown types), which carry their length.
std::size_t size_of(GgufType type);

}  // namespace nova::catalog

// Bounded reading: a hostile header costs at most its own length in time and 64 KiB in memory.
#include "catalog/gguf_cursor.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace nova::catalog {
namespace {

// Tokenizers make headers of 5 to 30 MB; nothing honest comes near this.
constexpr std::uint64_t kMostHeaderBytes = std::uint64_t{256} << 20U;
constexpr unsigned kMostNesting = 4;

}  // namespace

std::size_t size_of(GgufType type) {
    switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
        return 1;
    case GgufType::u16:
    case GgufType::i16:
        return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
        return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
        return 8;
    case GgufType::string:
    case GgufType::array:
        return 0;
    }
    return 0;
}

void GgufCursor::stop(Trouble trouble, std::string reason) {
    if (ok()) {
        trouble_ = trouble;
        reason_ = std::move(reason);
    }
}

bool GgufCursor::within_limit(std::uint64_t count) {
    if (count > kMostHeaderBytes) {
        malformed(fmt::format("a length of {} bytes in its header cannot be right", count));
        return false;
    }
    if (position_ > kMostHeaderBytes - count) {
        malformed("its header is larger than 256 MiB");
        return false;
    }
    if (position_ + count > source_.size()) {
        stop(Trouble::ended, "it ends inside its header");
        return false;
    }
    return true;
}

bool GgufCursor::fill() {
    auto got = source_.read_at(position_, buffer_);
    if (!got) {
        stop(Trouble::unreadable, got.error().message);
        return false;
    }
    buffer_start_ = position_;
    buffer_size_ = *got;
    if (buffer_size_ == 0) {
        stop(Trouble::ended, "it ends inside its header");
    }
    return ok();
}

std::uint8_t GgufCursor::byte() {
    if (!ok() || !within_limit(1)) {
        return 0;
    }
    if ((position_ < buffer_start_ || position_ - buffer_start_ >= buffer_size_) && !fill()) {
        return 0;
    }
    return std::to_integer<std::uint8_t>(buffer_[position_++ - buffer_start_]);
}

std::uint32_t GgufCursor::u32() {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        value |= static_cast<std::uint32_t>(byte()) << shift;
    }
    return ok() ? value : 0;
}

std::uint64_t GgufCursor::u64() {
    const std::uint64_t low = u32();
    const std::uint64_t high = u32();
    return ok() ? low | (high << 32U) : 0;
}

void GgufCursor::skip(std::uint64_t count) {
    if (ok() && within_limit(count)) {
        position_ += count;
    }
}

std::string GgufCursor::text(std::uint64_t most, std::size_t keep) {
    const std::uint64_t length = u64();
    if (ok() && length > most) {
        malformed(fmt::format("a text of {} bytes in its header cannot be right", length));
    }
    if (!ok() || !within_limit(length)) {
        return {};
    }
    std::string kept;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(length, keep));
    kept.reserve(std::min<std::size_t>(wanted, 4096));
    for (std::size_t i = 0; i < wanted && ok(); ++i) {
        kept.push_back(static_cast<char>(byte()));
    }
    skip(length - wanted);
    return ok() ? kept : std::string{};
}

std::pair<GgufType, std::uint64_t> GgufCursor::array_head() {
    const auto type = static_cast<GgufType>(u32());
    const std::uint64_t count = u64();
    if (ok() && type > GgufType::f64) {
        malformed("it uses a value type that does not exist");
    }
    // Even empty strings and arrays take 8 and 12 bytes each.
    const std::uint64_t least =
        type == GgufType::string ? 8 : (type == GgufType::array ? 12 : size_of(type));
    if (ok() && least > 0 && count > kMostHeaderBytes / least) {
        malformed(fmt::format("a list of {} entries in its header cannot be right", count));
    }
    return ok() ? std::pair{type, count} : std::pair{GgufType::u8, std::uint64_t{0}};
}

std::optional<std::uint64_t> GgufCursor::integer(GgufType type) {
    const auto sign_bit = static_cast<unsigned>(size_of(type) * 8 - 1);
    switch (type) {
    case GgufType::u8:
    case GgufType::u16:
    case GgufType::u32:
    case GgufType::u64:
    case GgufType::boolean:
    case GgufType::i8:
    case GgufType::i16:
    case GgufType::i32:
    case GgufType::i64: {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size_of(type); ++i) {
            value |= static_cast<std::uint64_t>(byte()) << (8 * i);
        }
        const bool is_signed = type == GgufType::i8 || type == GgufType::i16 ||
                               type == GgufType::i32 || type == GgufType::i64;
        if (!ok() || (is_signed && (value >> sign_bit) != 0)) {
            return std::nullopt;
        }
        return value;
    }
    case GgufType::f32:
    case GgufType::f64:
    case GgufType::string:
    case GgufType::array:
        skip_value(type);
        return std::nullopt;
    }
    malformed("it uses a value type that does not exist");
    return std::nullopt;
}

void GgufCursor::skip_value(GgufType type, unsigned depth) {
    if (type > GgufType::f64) {
        malformed("it uses a value type that does not exist");
    } else if (type == GgufType::string) {
        text(kMostHeaderBytes, 0);
    } else if (type != GgufType::array) {
        skip(size_of(type));
    } else if (depth >= kMostNesting) {
        malformed("its lists nest too deeply");
    } else {
        const auto [element, count] = array_head();
        if (const std::size_t each = size_of(element); each > 0) {
            skip(count * each);  // cannot overflow: array_head bounded it
            return;
        }
        for (std::uint64_t i = 0; i < count && ok(); ++i) {
            skip_value(element, depth + 1);
        }
    }
}

}  // namespace nova::catalog

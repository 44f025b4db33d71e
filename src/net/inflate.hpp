// Compressed bodies of messages, taken apart in small steps: how far they grow the caller decides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/result.hpp"

namespace nova::net {

class Headers;

enum class ContentCoding : std::uint8_t { none, deflated };

// What Content-Encoding says. deflated: gzip or deflate, which tell themselves apart. Error:
// invalid_argument, word unsupported_content_encoding, for every other coding and for several.
Result<ContentCoding> content_coding(const Headers& headers);

// gzip (of one member or several) or zlib data.
class Inflater {
public:
    // What one step gives at most, so that a worker never computes for long.
    static constexpr std::size_t kStepBytes = 64U * 1024U;

    // packed must outlive it.
    explicit Inflater(std::string_view packed);
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
    ~Inflater();

    // The next piece, empty at the end; valid until the next call. Error: invalid_argument for
    // data that is damaged, cut or followed by anything else.
    Result<std::string_view> next();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace nova::net

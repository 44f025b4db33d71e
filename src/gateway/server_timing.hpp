// Server-Timing of an answer: what of its first byte's delay was nova's, what the provider's.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include "net/http_message.hpp"

namespace nova::gateway {

// "nova;dur=0.06, upstream;dur=812.40", in milliseconds as W3C Server Timing wants it. No
// allocation; the view points into the object.
class ServerTiming {
public:
    ServerTiming() = default;

    // total: since the request came. upstream: of that, waiting for the provider.
    ServerTiming(std::chrono::nanoseconds total, std::chrono::nanoseconds upstream) {
        // Hundredths of a millisecond as whole numbers: floating point costs several times as much.
        const auto hundredths = [](std::chrono::nanoseconds time) {
            return std::max(time, std::chrono::nanoseconds{0}) / std::chrono::microseconds{10};
        };
        const auto own = hundredths(total - upstream);
        const auto theirs = hundredths(upstream);
        const auto written = fmt::format_to_n(
            text_.data(), text_.size(), "nova;dur={}.{:02}, upstream;dur={}.{:02}", own / 100,
            own % 100, theirs / 100, theirs % 100
        );
        size_ = std::min(written.size, text_.size());
    }

    std::string_view text() const { return {text_.data(), size_}; }

    net::HeaderView field() const { return {"Server-Timing", text()}; }

private:
    std::array<char, 96> text_{};
    std::size_t size_ = 0;
};

}  // namespace nova::gateway

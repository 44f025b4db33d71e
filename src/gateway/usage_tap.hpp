// Reads the usage of an answer whose bytes pass through: keeps its end, and looks there once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dialect/codec.hpp"
#include "gateway/relay_route.hpp"

namespace nova::gateway {

class UsageTap {
public:
    enum class Kind : std::uint8_t { whole, stream };

    UsageTap(dialect::Dialect dialect, Operation operation, Kind kind);

    // What leads the answer. Some usage stands in front: Anthropic's message_start, llama.cpp's
    // embeddings.
    void begin(std::string_view first);
    // The rest, piece by piece; no allocation after the first. begin() does not do this.
    void note(std::string_view bytes);

    // Has a stream said that it is over: a finish reason, or the dialect's last word (trap 11).
    bool complete() const;
    dialect::Usage usage() const;

    // About how many events went by: what an aborted stream is billed by.
    std::uint64_t events() const { return lines_ / lines_per_event_; }

private:
    enum class Which : std::uint8_t { first, last };
    dialect::Usage usage_in(std::string_view text, Which which) const;

    dialect::Dialect dialect_;
    Operation operation_;
    Kind kind_;
    std::string tail_;
    dialect::Usage first_{};
    std::uint64_t lines_ = 0;
    std::uint64_t lines_per_event_ = 2;
};

}  // namespace nova::gateway

// x-ratelimit-* fields, as OpenAI's clients read them, without an allocation.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/http_message.hpp"

namespace nova::gateway {

// One limit of a key as it is now.
struct Rate {
    std::uint64_t limit = 0;  // per minute
    std::uint64_t remaining = 0;
    std::chrono::nanoseconds reset{0};  // until all of it is there again
};

struct RateState {
    std::optional<Rate> requests{};
    std::optional<Rate> tokens{};
};

// Texts and views of the fields; the views point into the object, so it stays where it is.
class RateFields {
public:
    explicit RateFields(const RateState& state);
    RateFields(const RateFields&) = delete;
    RateFields& operator=(const RateFields&) = delete;

    std::span<const net::HeaderView> view() const { return {fields_.data(), used_}; }

private:
    struct Names {
        std::string_view limit;
        std::string_view remaining;
        std::string_view reset;
    };

    void add(const Names& names, const Rate& rate);
    void add(std::string_view name, std::size_t size);

    std::array<std::array<char, 24>, 6> texts_{};
    std::array<net::HeaderView, 6> fields_{};
    std::size_t used_ = 0;
};

}  // namespace nova::gateway

// Formatting of limits.
#include "gateway/rate_fields.hpp"

#include <fmt/format.h>

namespace nova::gateway {

RateFields::RateFields(const RateState& state) {
    if (state.requests) {
        add({.limit = "x-ratelimit-limit-requests",
             .remaining = "x-ratelimit-remaining-requests",
             .reset = "x-ratelimit-reset-requests"},
            *state.requests);
    }
    if (state.tokens) {
        add({.limit = "x-ratelimit-limit-tokens",
             .remaining = "x-ratelimit-remaining-tokens",
             .reset = "x-ratelimit-reset-tokens"},
            *state.tokens);
    }
}

void RateFields::add(const Names& names, const Rate& rate) {
    const auto number = [this](std::uint64_t value) {
        auto& text = texts_[used_];
        return fmt::format_to_n(text.data(), text.size(), "{}", value).size;
    };
    add(names.limit, number(rate.limit));
    add(names.remaining, number(rate.remaining));
    auto& text = texts_[used_];
    const std::chrono::duration<double> seconds{rate.reset};
    add(names.reset, fmt::format_to_n(text.data(), text.size(), "{:.3f}s", seconds.count()).size);
}

void RateFields::add(std::string_view name, std::size_t size) {
    const auto& text = texts_[used_];
    fields_[used_] = {name, {text.data(), std::min(size, text.size())}};
    ++used_;
}

}  // namespace nova::gateway

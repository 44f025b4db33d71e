// RFC 3339, read strictly.
#include "recovery/time_text.hpp"

#include <chrono>

namespace nova::recovery {
namespace {

// Takes exactly so many digits, and the sign behind them when there is one to take.
std::optional<int> digits(std::string_view& text, std::size_t count, char behind = '\0') {
    if (text.size() < count) {
        return std::nullopt;
    }
    int value = 0;
    for (const char c : text.substr(0, count)) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(count);
    if (behind != '\0') {
        if (!text.starts_with(behind)) {
            return std::nullopt;
        }
        text.remove_prefix(1);
    }
    return value;
}

// ".123456" and the like, to the millisecond.
std::optional<std::chrono::milliseconds> fraction(std::string_view& text) {
    if (!text.starts_with('.')) {
        return std::chrono::milliseconds{0};
    }
    text.remove_prefix(1);
    int value = 0;
    std::size_t size = 0;
    while (size < text.size() && text[size] >= '0' && text[size] <= '9') {
        value = size < 3 ? value * 10 + (text[size] - '0') : value;
        ++size;
    }
    if (size == 0 || size > 9) {
        return std::nullopt;
    }
    text.remove_prefix(size);
    for (; size < 3; ++size) {
        value *= 10;
    }
    return std::chrono::milliseconds{value};
}

std::optional<std::chrono::minutes> offset(std::string_view text) {
    if (text == "Z" || text == "z") {
        return std::chrono::minutes{0};
    }
    if (!text.starts_with('+') && !text.starts_with('-')) {
        return std::nullopt;
    }
    const int sign = text.starts_with('-') ? -1 : 1;
    text.remove_prefix(1);
    const auto hours = digits(text, 2, ':');
    const auto minutes = hours ? digits(text, 2) : std::nullopt;
    if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) {
        return std::nullopt;
    }
    return std::chrono::minutes{sign * (*hours * 60 + *minutes)};
}

}  // namespace

std::optional<WallTime> time_from(std::string_view text) {
    const auto year = digits(text, 4, '-');
    const auto month = year ? digits(text, 2, '-') : std::nullopt;
    const auto day = month ? digits(text, 2) : std::nullopt;
    if (!day) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{
        std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
        std::chrono::day{static_cast<unsigned>(*day)}
    };
    // system_clock counts nanoseconds in 64 bits: it ends in 2262.
    if (!date.ok() || *year < 1970 || *year > 2200) {
        return std::nullopt;
    }
    const WallTime midnight = std::chrono::sys_days{date};
    if (text.empty()) {
        return midnight;
    }
    if (!text.starts_with('T') && !text.starts_with('t') && !text.starts_with(' ')) {
        return std::nullopt;
    }
    text.remove_prefix(1);
    const auto hour = digits(text, 2, ':');
    const auto minute = hour ? digits(text, 2, ':') : std::nullopt;
    const auto second = minute ? digits(text, 2) : std::nullopt;
    const auto rest = second ? fraction(text) : std::nullopt;
    const auto shift = rest ? offset(text) : std::nullopt;
    if (!shift || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    return midnight + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
           std::chrono::seconds{*second} + *rest - *shift;
}

}  // namespace nova::recovery

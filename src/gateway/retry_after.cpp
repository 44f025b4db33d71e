// Both forms of the field.
#include "gateway/retry_after.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>
#include <string>

namespace nova::gateway {
namespace {

using std::chrono::seconds;

std::optional<seconds> clamped(double value) {
    return seconds{static_cast<std::int64_t>(
        std::clamp(value, 1.0, static_cast<double>(kLongestRetryAfter.count()))
    )};
}

}  // namespace

std::optional<seconds> retry_after(std::string_view value, WallTime now) {
    if (value.empty()) {
        return std::nullopt;
    }
    const bool digits =
        std::ranges::all_of(value, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
    if (digits) {
        double number = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (error == std::errc::result_out_of_range) {
            return kLongestRetryAfter;
        }
        if (error != std::errc{} || end != value.data() + value.size()) {
            return std::nullopt;
        }
        return clamped(number);
    }
    std::tm time{};
    const std::string text{value};
    const char* const rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
    if (rest == nullptr || *rest != '\0') {
        return std::nullopt;
    }
    const auto at = std::chrono::system_clock::from_time_t(timegm(&time));
    return clamped(std::chrono::duration<double>(at - now).count());
}

}  // namespace nova::gateway

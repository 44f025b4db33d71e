// A random prefix and a number.
#include "gateway/request_id.hpp"

#include <algorithm>
#include <charconv>

#include "core/random.hpp"

namespace nova::gateway {

bool is_safe_request_id(std::string_view id) {
    constexpr std::size_t kLongest = 128;
    return !id.empty() && id.size() <= kLongest && std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    });
}

RequestIds::RequestIds() : prefix_{"req-" + random_hex(8) + "-"} {}

std::string RequestIds::next() {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), ++count_, 16).ptr;
    std::string id;
    id.reserve(prefix_.size() + digits.size());
    id.append(prefix_).append(digits.data(), end);
    return id;
}

}  // namespace nova::gateway

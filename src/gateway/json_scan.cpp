// memmem and a look at what follows.
#include "gateway/json_scan.hpp"

#include <charconv>
#include <cstring>

namespace nova::gateway {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::size_t skip_space(std::string_view text, std::size_t at) {
    while (at < text.size() && is_space(text[at])) {
        ++at;
    }
    return at;
}

}  // namespace

std::size_t find_value(std::string_view text, std::string_view quoted_name, std::size_t from) {
    while (from < text.size()) {
        const void* const found = ::memmem(
            text.data() + from, text.size() - from, quoted_name.data(), quoted_name.size()
        );
        if (found == nullptr) {
            return kNone;
        }
        from = static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) +
               quoted_name.size();
        const std::size_t colon = skip_space(text, from);
        if (colon < text.size() && text[colon] == ':') {
            const std::size_t value = skip_space(text, colon + 1);
            if (value < text.size()) {
                return value;
            }
        }
    }
    return kNone;
}

bool has_value(std::string_view text, std::string_view quoted_name) {
    for (std::size_t at = find_value(text, quoted_name); at != kNone;
         at = find_value(text, quoted_name, at)) {
        const char first = text[at];
        if (first == 'n' || first == 'f') {
            continue;  // null, false
        }
        if (first != '"' && first != '[' && first != '{') {
            return true;
        }
        const std::size_t inside = first == '"' ? at + 1 : skip_space(text, at + 1);
        const char close = first == '"' ? '"' : first == '[' ? ']' : '}';
        if (inside < text.size() && text[inside] != close) {
            return true;
        }
    }
    return false;
}

std::optional<std::uint64_t> last_number(std::string_view text, std::string_view quoted_name) {
    std::optional<std::uint64_t> last;
    for (std::size_t at = find_value(text, quoted_name); at != kNone;
         at = find_value(text, quoted_name, at)) {
        std::uint64_t number = 0;
        const auto [end, error] =
            std::from_chars(text.data() + at, text.data() + text.size(), number);
        if (error == std::errc{} && end != text.data() + at) {
            last = number;
        }
    }
    return last;
}

}  // namespace nova::gateway

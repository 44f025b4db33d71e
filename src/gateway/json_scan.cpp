// memmem and a look at what follows.
#include "gateway/json_scan.hpp"

#include <charconv>
#include <cstring>

#include "core/json_brackets.hpp"

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

// Where the value of a member stands whose name ends at `from`; kNone when it is no member.
std::size_t value_behind(std::string_view text, std::size_t from) {
    const std::size_t colon = skip_space(text, from);
    if (colon >= text.size() || text[colon] != ':') {
        return kNone;
    }
    const std::size_t value = skip_space(text, colon + 1);
    return value < text.size() ? value : kNone;
}

// Not null, false, "" or [].
bool says_something(std::string_view text, std::size_t at) {
    const char first = text[at];
    if (first == 'n' || first == 'f') {
        return false;  // null, false
    }
    if (first != '"' && first != '[' && first != '{') {
        return true;
    }
    const std::size_t inside = first == '"' ? at + 1 : skip_space(text, at + 1);
    const char close = first == '"' ? '"' : first == '[' ? ']' : '}';
    return inside < text.size() && text[inside] != close;
}

std::optional<std::uint64_t> number_at(std::string_view text, std::size_t at) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
    return error == std::errc{} ? std::optional{number} : std::nullopt;
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
        if (const std::size_t value = value_behind(text, from); value != kNone) {
            return value;
        }
    }
    return kNone;
}

bool has_value(std::string_view text, std::string_view quoted_name) {
    for (std::size_t at = find_value(text, quoted_name); at != kNone;
         at = find_value(text, quoted_name, at)) {
        if (says_something(text, at)) {
            return true;
        }
    }
    return false;
}

std::size_t find_outer_value(std::string_view text, std::string_view quoted_name) {
    int depth = 0;
    std::size_t counted = 0;
    for (std::size_t at = find_value(text, quoted_name); at != kNone;
         at = find_value(text, quoted_name, at)) {
        for_each_bracket(text.substr(counted, at - counted), [&depth](std::size_t, bool opens) {
            depth += opens ? 1 : -1;
            return depth > 0;
        });
        counted = at;
        if (depth <= 1) {
            return depth == 1 ? at : kNone;  // 0: behind the object, or in none
        }
    }
    return kNone;
}

bool has_outer_value(std::string_view text, std::string_view quoted_name) {
    const std::size_t at = find_outer_value(text, quoted_name);
    return at != kNone && says_something(text, at);
}

void last_numbers(std::string_view text, std::span<NamedNumber> numbers) {
    for (std::size_t at = text.find('"'); at < text.size(); at = text.find('"', at + 1)) {
        const std::string_view rest = text.substr(at);
        for (NamedNumber& number : numbers) {
            // The first letter rules most of them out.
            if (rest.size() < 2 || rest[1] != number.quoted_name[1] ||
                !rest.starts_with(number.quoted_name)) {
                continue;
            }
            const std::size_t value = value_behind(text, at + number.quoted_name.size());
            if (value != kNone) {
                if (const auto found = number_at(text, value)) {
                    number.value = found;
                }
            }
            break;
        }
    }
}

std::optional<std::uint64_t> last_number(std::string_view text, std::string_view quoted_name) {
    std::optional<std::uint64_t> last;
    for (std::size_t at = find_value(text, quoted_name); at != kNone;
         at = find_value(text, quoted_name, at)) {
        if (const auto number = number_at(text, at)) {
            last = number;
        }
    }
    return last;
}

}  // namespace nova::gateway

// preference = token [ BWS "=" BWS word ] *( OWS ";" [ OWS parameter ] ), in a list.
#include "gateway/prefer.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/text.hpp"

namespace nova::gateway {
namespace {

// Beyond this it is all the same; keeps arithmetic with it away from overflow.
constexpr std::int64_t kMostSeconds = 1'000'000'000;

// Up to the separator, which is not looked for within quotes; removed from the text together with
// it.
std::string_view take_until(std::string_view& text, char separator) {
    bool quoted = false;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (quoted && c == '\\') {
            ++at;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == separator && !quoted) {
            break;
        }
    }
    at = std::min(at, text.size());
    const std::string_view part = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return part;
}

std::optional<std::chrono::seconds> seconds_from(std::string_view word) {
    if (word.size() >= 2 && word.front() == '"' && word.back() == '"') {
        word = word.substr(1, word.size() - 2);
    }
    if (word.empty() || !std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; })) {
        return std::nullopt;
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error == std::errc::result_out_of_range) {
        value = kMostSeconds;
    }
    return std::chrono::seconds{std::min(value, kMostSeconds)};
}

}  // namespace

std::optional<std::chrono::seconds> preferred_wait(const net::Headers& headers) {
    for (const net::HeaderView& field : headers) {
        if (!net::equal_ignoring_case(field.name, "Prefer")) {
            continue;
        }
        std::string_view list = field.value;
        while (!list.empty()) {
            std::string_view preference = take_until(list, ',');
            std::string_view value = take_until(preference, ';');  // parameters mean nothing here
            const std::string_view name = trimmed(take_until(value, '='), kHttpBlanks);
            if (net::equal_ignoring_case(name, "wait")) {
                return seconds_from(trimmed(value, kHttpBlanks));
            }
        }
    }
    return std::nullopt;
}

}  // namespace nova::gateway

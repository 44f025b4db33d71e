// Looking things up in heads: a dozen fields are searched faster in a row than in any map.
#include "net/http_message.hpp"

#include <algorithm>

#include "core/text.hpp"
#include "net/percent.hpp"

namespace nova::net {
namespace {

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    // Most names come as they are usually written, and comparing bytes is many times faster.
    return a == b || std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
               return lower(x) == lower(y);
           });
}

std::string_view Headers::find(std::string_view name) const {
    for (const HeaderView& field : fields_) {
        if (equal_ignoring_case(field.name, name)) {
            // An empty value is still a field: has() looks at data().
            return field.value.data() != nullptr ? field.value : std::string_view{""};
        }
    }
    return {};
}

std::size_t Headers::count(std::string_view name) const {
    return static_cast<std::size_t>(std::count_if(
        fields_.begin(), fields_.end(),
        [&](const HeaderView& field) { return equal_ignoring_case(field.name, name); }
    ));
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
    for (const HeaderView& field : fields_) {
        if (!equal_ignoring_case(field.name, name)) {
            continue;
        }
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            if (equal_ignoring_case(trimmed(rest.substr(0, comma), kHttpBlanks), token)) {
                return true;
            }
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
        }
    }
    return false;
}

std::string_view RequestHead::path() const {
    return target.substr(0, target.find('?'));
}

std::string_view RequestHead::query() const {
    const auto mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
}

std::pair<bool, std::string> query_parameter(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const auto end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        const auto equals = pair.find('=');
        const auto key = percent_decoded(pair.substr(0, equals), PlusSign::space);
        if (key && *key == name) {
            const std::string_view value =
                equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
            auto decoded = percent_decoded(value, PlusSign::space);
            // A broken escape is not worth an error here: the value is taken as it stands.
            return {true, decoded ? *std::move(decoded) : std::string{value}};
        }
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    }
    return {false, {}};
}

}  // namespace nova::net

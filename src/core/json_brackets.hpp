// How JSON text nests, told before a parser sees it.
#pragma once

#include <cstddef>
#include <string_view>

namespace nova {

inline constexpr std::size_t kMaxJsonDepth = 128;  // reference/gateway.md 6: depth bombs

// Calls at(index, opens) for every bracket that stands in no string, until it returns false.
template <class At>
void for_each_bracket(std::string_view text, At at) {
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[' || c == '}' || c == ']') {
            if (!at(i, c == '{' || c == '[')) {
                return;
            }
        }
    }
}

}  // namespace nova

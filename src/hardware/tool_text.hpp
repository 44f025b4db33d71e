// Small readings of text that every vendor's tool needs.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "core/text.hpp"

namespace nova::hardware {

inline std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

// Every whole line that says something. A last line without its end was cut: it is given to `cut`.
template <class Each, class Cut>
void each_line(std::string_view text, Each each, Cut cut) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (const auto line = trimmed(text.substr(0, end)); !line.empty()) {
            if (end == std::string_view::npos) {
                cut(line);
            } else {
                each(line);
            }
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

}  // namespace nova::hardware

// Small readings of text. Pure.
#pragma once

#include <string_view>

namespace nova {

// As JSON and most files have it; in the head of an HTTP message only kHttpBlanks are.
constexpr std::string_view kWhiteSpace = " \t\r\n";
constexpr std::string_view kHttpBlanks = " \t";

// The text without the given characters at either end.
constexpr std::string_view trimmed(std::string_view text, std::string_view blanks = kWhiteSpace) {
    while (!text.empty() && blanks.contains(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && blanks.contains(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

}  // namespace nova

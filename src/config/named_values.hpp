// Settings that are a list of pairs: "NAME=VALUE, NAME=VALUE".
#pragma once

#include <string_view>
#include <vector>

namespace nova::config {

// Views into the text. Name and value may be empty, also where there is no `=`.
struct NamedValue {
    std::string_view piece;  // both as they were written, for the sentence about a wrong one
    std::string_view name;
    std::string_view value;
};

std::vector<NamedValue> named_values(std::string_view text);

}  // namespace nova::config

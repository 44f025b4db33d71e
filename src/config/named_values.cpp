// Lists of pairs, taken apart at commas; blanks around anything and empty pieces do not count.
#include "config/named_values.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace nova::config {

std::vector<NamedValue> named_values(std::string_view text) {
    std::vector<NamedValue> values;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const std::string_view piece = trimmed(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
        if (piece.empty()) {
            continue;
        }
        const auto equals = piece.find('=');
        const std::string_view value =
            equals == std::string_view::npos ? "" : trimmed(piece.substr(equals + 1));
        values.push_back({.piece = piece, .name = trimmed(piece.substr(0, equals)), .value = value}
        );
    }
    return values;
}

}  // namespace nova::config

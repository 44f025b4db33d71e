// Percent-decoding of URL parts (RFC 3986 2.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nova::net {

enum class PlusSign : std::uint8_t { literal, space };  // space: in queries only

// Empty when an escape is broken ("%4", "%zz").
std::optional<std::string> percent_decoded(std::string_view text, PlusSign plus);

}  // namespace nova::net

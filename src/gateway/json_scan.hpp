// Looks for members in JSON text without parsing it, for the hot path.
//
// Sound because a quote inside a JSON string is always escaped: the bytes `"content":` can only be
// a member's name. At which depth it stands is known to the outer ones only; callers of the others
// choose names for which that does not matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nova::gateway {

// Where the value of the first member of that name begins, at or behind `from`; npos when there is
// none. quoted_name: with its quotes, "\"usage\"".
std::size_t find_value(std::string_view text, std::string_view quoted_name, std::size_t from = 0);

// A member of that name whose value says something: a string, array or object that is not empty, a
// number, true. Not null, false, "" or [].
bool has_value(std::string_view text, std::string_view quoted_name);

// The same of the members of the object that the text begins with. They read it up to that member,
// and only where it has one of that name at any depth.
std::size_t find_outer_value(std::string_view text, std::string_view quoted_name);
bool has_outer_value(std::string_view text, std::string_view quoted_name);

// The last member of that name that is a number without sign and fraction.
std::optional<std::uint64_t> last_number(std::string_view text, std::string_view quoted_name);

struct NamedNumber {
    std::string_view quoted_name;
    std::optional<std::uint64_t> value{};
};

// The same of several names, none of which begins with another, in one pass.
void last_numbers(std::string_view text, std::span<NamedNumber> numbers);

}  // namespace nova::gateway

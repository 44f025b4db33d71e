// What the checks found, for people and for scripts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conform/suite.hpp"
#include "core/json.hpp"

namespace nova::conform {

// "pass  stream.done", and below it what was seen when it did not pass. No line end behind it.
// What the endpoint said is in it as it came: make it printable before it goes to a terminal.
std::string line_of(const Row& row);
// The same line with its first word in colour.
std::string coloured(const Row& row, std::string_view line);
// "61 pass, 3 fail (1 must), 5 cannot tell".
std::string summary_of(const Report& report);
Json json_of(const Report& report);

// Where two endpoints differ.
struct Difference {
    const Check* check = nullptr;
    Verdict one{};
    Verdict other{};
};

// Outcomes that differ; a check that only one of them was asked counts as not told by the other.
std::vector<Difference> differences(const Report& one, const Report& other);
std::string line_of(const Difference& difference);
Json json_of(const std::vector<Difference>& differences);

// "stream.done            must    10, 11     [DONE] comes once": a line of --list.
std::string listed(const Check& check);
Json json_of(const Check& check);

}  // namespace nova::conform

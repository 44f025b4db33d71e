// Reading answers of others with patience: a member of the wrong type counts as missing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"

namespace nova::app {

std::string text_in(const Json& value, const char* key, std::string otherwise = {});
double number_in(const Json& value, const char* key, double otherwise = 0);
// Whole and not negative.
std::uint64_t count_in(const Json& value, const char* key, std::uint64_t otherwise = 0);

enum class Flag : bool { off, on };
Flag flag_in(const Json& value, const char* key);

// An empty object or array when it is missing; valid as long as the value is.
const Json& object_in(const Json& value, const char* key);
const Json& array_in(const Json& value, const char* key);

// The row of a setting in GET /settings; null: there is none.
const Json* setting_in(const Json& settings, std::string_view name);

// What went wrong last in a slot, as GET /inference/backend tells it: a sentence, and a remedy
// where there is one. Empty: nothing did.
std::vector<std::string> lines_of_last_failure(const Json& slot);

}  // namespace nova::app

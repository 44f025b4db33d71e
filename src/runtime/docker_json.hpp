// Members of the API's documents, any of which may be missing or of another kind.
#pragma once

#include <string>
#include <string_view>

#include "core/json.hpp"

namespace nova::runtime {

// null when it is not there.
const Json& member(const Json& value, std::string_view key);
// "" when it is no text.
std::string text_at(const Json& value, std::string_view key);
// False when it is no truth value.
bool is_true(const Json& value, std::string_view key);

// "/containers/ID/json" of id and "/json".
std::string container_path(std::string_view id, std::string_view what);

}  // namespace nova::runtime

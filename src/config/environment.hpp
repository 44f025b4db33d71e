// The process environment as a value: only config/ looks at the real one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace nova::config {

using Environment = std::map<std::string, std::string, std::less<>>;

// A copy of this process's environment. Call it once, early, from the main thread.
Environment process_environment();

// Unset and empty are the same: `NOVA_STORE= nova serve` means the default.
std::optional<std::string> value_of(const Environment& environment, std::string_view name);

}  // namespace nova::config

// Times as people and clients write them.
#pragma once

#include <optional>
#include <string_view>

#include "core/clock.hpp"

namespace nova::recovery {

// "2026-11-23" (its first moment in UTC), "2026-11-23T10:00:00Z", with fraction or "+02:00". Empty:
// anything else.
std::optional<WallTime> time_from(std::string_view text);

}  // namespace nova::recovery

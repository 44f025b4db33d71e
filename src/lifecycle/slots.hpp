// The slots of one nova: what runs side by side, each with a controller of its own.
#pragma once

#include <array>
#include <string_view>

namespace nova::lifecycle {

inline constexpr std::string_view kLocalSlot = "local";  // the chat backend
inline constexpr std::string_view kEmbedSlot = "embed";  // decisions.md 2.20

inline constexpr std::array<std::string_view, 2> kSlots{kLocalSlot, kEmbedSlot};

}  // namespace nova::lifecycle

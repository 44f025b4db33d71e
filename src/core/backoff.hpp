// How long to wait before trying a failed backend again.
#pragma once

#include <chrono>
#include <cstdint>

namespace nova {

// decisions.md 1.6: the first failure of a ready backend is restarted at once, 30/60/120 s from the
// second failure in a row on, then 120 s for ever.
constexpr std::chrono::seconds backoff_delay(std::uint32_t failures_in_a_row) {
    using std::chrono::seconds;
    switch (failures_in_a_row) {
    case 0:
    case 1:
        return seconds{0};
    case 2:
        return seconds{30};
    case 3:
        return seconds{60};
    default:
        return seconds{120};
    }
}

}  // namespace nova

// Quantities with their unit in the type: no bare integer of bytes crosses a module border.
#pragma once

#include <compare>
#include <cstdint>

namespace nova {

struct Bytes {
    std::uint64_t count = 0;

    auto operator<=>(const Bytes&) const = default;

    friend constexpr Bytes operator+(Bytes a, Bytes b) { return {a.count + b.count}; }

    // Saturates at zero: "free minus needed" must never wrap to exabytes.
    friend constexpr Bytes operator-(Bytes a, Bytes b) {
        return {a.count > b.count ? a.count - b.count : 0};
    }
};

constexpr Bytes kib(std::uint64_t n) {
    return {n << 10U};
}

constexpr Bytes mib(std::uint64_t n) {
    return {n << 20U};
}

constexpr Bytes gib(std::uint64_t n) {
    return {n << 30U};
}

}  // namespace nova

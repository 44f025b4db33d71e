// Randomness: seeded for simulation, from the kernel for secrets and identifiers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace nova {

// xoshiro256** (Blackman and Vigna, public domain), seeded by splitmix64: the same numbers on every
// machine, which std::mt19937's distributions do not promise.
class Random {
public:
    explicit Random(std::uint64_t seed);
    std::uint64_t next();
    // Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound);
    // True with this probability, in per mille.
    bool chance(std::uint32_t per_mille);

private:
    std::uint64_t state_[4];
};

// Lower-case hex of this many bytes from getrandom(2). For ids, secrets and keys.
std::string random_hex(std::size_t bytes);

}  // namespace nova

// SHA-256 (FIPS 180-4), bit by bit fed: the name under which Ollama stores a file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nova::lifecycle {

class Sha256 {
public:
    void update(std::string_view bytes);
    // Lower-case hex of everything fed; the object is spent.
    std::string finish();

private:
    void block(const unsigned char* bytes);

    std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<unsigned char, 64> pending_{};
    std::size_t filled_ = 0;
    std::uint64_t total_ = 0;
};

}  // namespace nova::lifecycle

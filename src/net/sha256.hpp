// SHA-256, fed piece by piece: how hubs and engines name the bytes of a model file.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nova::net {

class Sha256 {
public:
    Sha256();
    Sha256(Sha256&& other) noexcept;
    Sha256& operator=(Sha256&& other) noexcept;
    ~Sha256();

    void update(std::string_view bytes);
    // Lower-case hex of everything fed; the object is spent.
    std::string finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

using Sha256Digest = std::array<std::uint8_t, 32>;

// Of a few bytes, at once: for keys, on the way of every request.
Sha256Digest sha256_of(std::string_view bytes);

}  // namespace nova::net

// SHA-256, fed piece by piece: how hubs and engines name the bytes of a model file.
#pragma once

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

}  // namespace nova::net

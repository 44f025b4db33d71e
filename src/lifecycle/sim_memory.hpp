// Memory that has room for two instances, or not, as a test says.
#pragma once

#include "lifecycle/memory_port.hpp"

namespace nova::lifecycle {

class SimMemory final : public MemoryPort {
public:
    Task<MemoryAnswer> admits(engine::BackendSpec, engine::ResolvedModel) override {
        co_return MemoryAnswer{.admits = room, .why = room ? "there is room" : "there is no room"};
    }

    bool room = false;
};

}  // namespace nova::lifecycle

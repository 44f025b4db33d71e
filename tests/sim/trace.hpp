// One line for each transition.
#pragma once

#include "lifecycle/transition.hpp"

namespace nova::sim {

class World;

void trace_step(
    World& world, const lifecycle::BackendState& before, const lifecycle::Event& event,
    const lifecycle::Step& step
);

}  // namespace nova::sim

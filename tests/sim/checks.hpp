// The promises of contract.md 4 as questions to the world.
#pragma once

#include "lifecycle/transition.hpp"
#include "runtime/runtime_driver.hpp"

namespace nova::sim {

class Life;
class World;
struct Engine;

// After every step of time, when nobody can go on.
void check(World& world);
// When a transition was decided.
void judge_step(Life& life, const lifecycle::BackendState& before, const lifecycle::Step& step);
void judge_idleness(
    Life& life, const lifecycle::BackendState& before, const lifecycle::Event& event,
    const lifecycle::BackendState& after
);
// When an engine is about to exist, a request is let in, an engine is about to be stopped.
void judge_spawn(World& world, Life& life, Generation instance);
void judge_admission(Life& life, const UpstreamId& upstream);
void judge_stop(Life& life, const Engine& engine);

// Is what is wanted there, and nothing else? For liveness.
bool converged(const World& world);
// Sentence for a run that did not get there.
std::string where_it_is(const World& world);

}  // namespace nova::sim

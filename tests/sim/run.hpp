// Whole runs: a schedule to its verdict, and a failing one made small.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "schedule.hpp"
#include "world.hpp"

namespace nova::sim {

struct Verdict {
    std::optional<std::string> violation;
    std::chrono::nanoseconds simulated{};
    std::uint64_t steps = 0;
    std::uint64_t requests = 0;
    std::uint64_t operations = 0;
};

Verdict run(const Schedule& schedule, std::FILE* trace_to);

// From now on nothing goes wrong: what is wanted is reached, a last wish too, nothing is left.
void finish(World& world);
// Ends what runs and says how it was.
Verdict verdict_of(World& world, TimePoint began);

// The same with fewer entries, as long as it still fails; their indices.
std::vector<std::size_t> minimise(const Schedule& schedule);
Schedule only(const Schedule& schedule, const std::vector<std::size_t>& kept);

// Each call into the world fails once in each way, over a switch, a roll-back and a recovery.
// Returns how many runs there were and how many failed; says each that did.
struct EffectRuns {
    std::size_t runs = 0;
    std::size_t failed = 0;
};

EffectRuns fail_every_effect(lifecycle::PlantedBug bug, std::FILE* trace_to);

}  // namespace nova::sim

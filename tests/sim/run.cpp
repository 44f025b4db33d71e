// A run: faults for a while, then peace, and nova has to get where it was told to go.
#include "run.hpp"

#include <algorithm>
#include <numeric>

#include "checks.hpp"
#include "life.hpp"

namespace nova::sim {
namespace {

// The slowest model may have begun to load on an engine that the last fault hung: it prints
// progress for all of its load (280 s), is given up a stall limit later (60 s), is started again
// after the longest of the back-offs that such a run meets (120 s), and loads again (280 s).
constexpr std::chrono::minutes kPatience{15};

bool wants(const World& world, std::string_view model) {
    if (!world.life || world.life->dead) {
        return false;
    }
    const auto wanted = world.life->controller.status().wanted;
    return model.empty() ? !wanted : wanted && wanted->model.value == model;
}

bool reaches(World& world, std::string_view model) {
    const bool there = world.run_until(world.clock.now() + kPatience, [&] {
        return converged(world) && wants(world, model);
    });
    if (!there && !world.failed()) {
        world.violated(
            fmt::format("a last wish is reached in a quarter of an hour: {}", where_it_is(world))
        );
    }
    return there;
}

}  // namespace

void finish(World& world) {
    world.stop_faults();
    if (!world.run_until(world.clock.now() + kPatience, [&] { return converged(world); })) {
        if (!world.failed()) {
            world.violated(fmt::format(
                "what is wanted is reached in a quarter of an hour: {}", where_it_is(world)
            ));
        }
        return;
    }
    const WishChoice& last = wants(world, kWishes[1].model) ? kWishes[2] : kWishes[1];
    world.wish(last);
    if (!reaches(world, last.model)) {
        return;
    }
    world.wish(kWishes[0]);
    if (!reaches(world, "")) {
        return;
    }
    world.ledger.all_finished();
    if (world.ledger.last_phase() != "stopped") {
        world.violated(
            fmt::format("the last event tells how it is, not {}", world.ledger.last_phase())
        );
    }
    if (world.life->traffic.streams() > 0) {
        world.violated("no request is left");
    }
}

Verdict verdict_of(World& world, TimePoint began) {
    Verdict verdict;
    verdict.violation = world.violation();
    verdict.simulated = world.clock.now() - began;
    verdict.steps = world.steps;
    verdict.requests = world.admitted;
    verdict.operations = world.ledger.operations();
    world.end();
    return verdict;
}

Verdict run(const Schedule& schedule, std::FILE* trace_to) {
    World world{schedule, trace_to};
    const TimePoint began = world.clock.now();
    world.boot();
    world.run_until(began + std::chrono::duration_cast<TimePoint::duration>(schedule.length), [] {
        return false;
    });
    if (!world.failed()) {
        finish(world);
    }
    return verdict_of(world, began);
}

Schedule only(const Schedule& schedule, const std::vector<std::size_t>& kept) {
    Schedule smaller = schedule;
    smaller.entries.clear();
    for (const std::size_t index : kept) {
        if (index < schedule.entries.size()) {
            smaller.entries.push_back(schedule.entries[index]);
        }
    }
    return smaller;
}

std::vector<std::size_t> minimise(const Schedule& schedule) {
    std::vector<std::size_t> kept(schedule.entries.size());
    std::iota(kept.begin(), kept.end(), std::size_t{0});
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (std::size_t i = kept.size(); i-- > 0;) {
            std::vector<std::size_t> fewer = kept;
            fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
            if (run(only(schedule, fewer), nullptr).violation) {
                kept = std::move(fewer);
                smaller = true;
            }
        }
    }
    return kept;
}

}  // namespace nova::sim

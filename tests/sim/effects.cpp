// "Effect N fails, for every N": SQLite's habit.
#include <array>
#include <functional>

#include "checks.hpp"
#include "life.hpp"
#include "run.hpp"

namespace nova::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Script {
    std::string_view name;
    std::function<void(World&)> play;
    bool idle = false;  // what nobody uses is put away
};

void settle(World& world) {
    const bool there =
        world.run_until(world.clock.now() + minutes{10}, [&] { return converged(world); });
    if (!there && !world.failed()) {
        world.violated(fmt::format("one failure is overcome: {}", where_it_is(world)));
    }
}

void want(World& world, std::string_view model) {
    for (const WishChoice& choice : kWishes) {
        if (choice.model == model && !world.failed()) {
            world.wish(choice);
        }
    }
    // Until the wish is taken, or was refused with the failure.
    world.run_until(world.clock.now() + seconds{1}, [] { return false; });
    settle(world);
}

void kill_after(World& world, seconds time) {
    world.run_until(world.clock.now() + time, [] { return false; });
    world.kill();
    settle(world);
}

void leave_alone(World& world, seconds time) {
    world.quiet_for(time);
    world.run_until(world.clock.now() + time, [] { return false; });
    settle(world);
}

const std::array<Script, 5>& scripts() {
    static const std::array<Script, 5> all{{
        {"switch",
         [](World& world) {
             want(world, "a");
             want(world, "b");
         }},
        {"model switch",
         [](World& world) {
             want(world, "m1");
             want(world, "m2");
         }},
        {"roll-back",
         [](World& world) {
             want(world, "a");
             want(world, "broken");
             want(world, "unloadable");
         }},
        {"recovery",
         [](World& world) {
             want(world, "a");
             kill_after(world, seconds{1});
             world.wish(kWishes[2]);
             kill_after(world, seconds{2});
         }},
        {"parked and woken",
         [](World& world) {
             want(world, "a");
             leave_alone(world, seconds{20});
         },
         true},
    }};
    return all;
}

Schedule quiet(lifecycle::PlantedBug bug) {
    Schedule schedule;
    schedule.seed = 1;
    schedule.policy.bug = bug;
    schedule.policy.starting_probe_interval = std::chrono::milliseconds{500};
    schedule.client_pause = seconds{1};
    schedule.endless = 20;
    return schedule;
}

std::optional<std::string> play(
    const Script& script, lifecycle::PlantedBug bug,
    std::optional<std::pair<std::uint64_t, Mishap>> planned, std::vector<std::string>* seen,
    std::FILE* trace_to
) {
    Schedule schedule = quiet(bug);
    if (script.idle) {
        schedule.policy.idle_unload = seconds{4};
        schedule.policy.idle_look = seconds{1};
    }
    World world{schedule, trace_to};
    world.planned = planned;
    world.borders_seen = seen;
    world.boot();
    script.play(world);
    world.borders_seen = nullptr;
    if (!world.failed()) {
        finish(world);
    }
    return verdict_of(world, world.clock.now()).violation;
}

}  // namespace

EffectRuns fail_every_effect(lifecycle::PlantedBug bug, std::FILE* trace_to) {
    EffectRuns count;
    for (const Script& script : scripts()) {
        std::vector<std::string> borders;
        const auto plain = play(script, bug, std::nullopt, &borders, nullptr);
        ++count.runs;
        if (plain) {
            ++count.failed;
            fmt::print("{}, undisturbed: {}\n", script.name, *plain);
        }
        for (std::uint64_t border = 1; border <= borders.size(); ++border) {
            for (int i = 1; i <= static_cast<int>(kLastMishap); ++i) {
                const auto mishap = static_cast<Mishap>(i);
                const auto violation =
                    play(script, bug, std::pair{border, mishap}, nullptr, trace_to);
                ++count.runs;
                if (violation) {
                    ++count.failed;
                    fmt::print(
                        "{}, {} (border {}) {}: {}\n", script.name, borders[border - 1], border,
                        name(mishap), *violation
                    );
                }
            }
        }
        fmt::print(
            "{}: each of {} borders in {} ways\n", script.name, borders.size(),
            static_cast<int>(kLastMishap)
        );
    }
    return count;
}

}  // namespace nova::sim

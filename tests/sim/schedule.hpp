// What the world does to nova in one run: drawn from a seed, shrunk by leaving entries out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/transition.hpp"

namespace nova::sim {

using std::chrono::nanoseconds;

enum class Act : std::uint8_t {
    // Happens once.
    wish,          // param: index into kWishes
    burst,         // param: so many wishes at the same instant
    cancel,        // the operation that runs
    kill,          // nova, by kill -9; param: seconds until it is started again
    leave_keep,    // nova ends gracefully, the engine stays
    leave_stop,    // nova ends gracefully and takes the engine along
    engine_dies,   // of itself
    engine_hangs,  // for ever: SIGSTOP
    stranger,      // the engine dies, and somebody else answers at its address
    wall_jump,     // the clock on the wall is set; param: minutes
    freeze,        // the machine sleeps; lasts
    // Lasts a while, and then hits a call with the chance of param per mille.
    pull_stalls,
    pull_fails,
    start_fails,
    start_lies,   // reported failed, but it runs
    start_hangs,  // past every patience; it may run
    health_flaps,
    health_hangs,
    loading_stalls,  // of an engine that was started meanwhile
    load_fails,
    load_hangs,
    stop_hangs,
    stop_lies,  // reported failed, but it is gone
    daemon_away,
    store_away,
    store_conflict,
    publish_fails,
    slow_worker,
    // Of no harm; drawn after all others, so that older seeds mean what they meant.
    quiet,  // nobody asks for anything
    busy,   // an engine that is ready works, and its health does not answer meanwhile
};

inline constexpr Act kFirstWindow = Act::pull_stalls;
inline constexpr Act kLastAct = Act::slow_worker;
inline constexpr Act kLastOfAll = Act::busy;

std::string_view name(Act act);

struct Entry {
    Act act = Act::wish;
    nanoseconds at{};                   // since the beginning
    std::optional<std::uint64_t> call;  // instead: when nova crosses a border the nth time
    nanoseconds lasts{};
    std::uint32_t param = 0;
};

std::string text(const Entry& entry);

// What can be wanted; the models that are no good say so in their names.
struct WishChoice {
    std::string_view engine;  // empty: nothing is wanted
    std::string_view model;
    bool good = true;  // can become ready
};

inline constexpr WishChoice kWishes[] = {
    {"", ""},
    {"one", "a"},
    {"one", "b"},
    {"one", "slow"},
    {"many", "m1"},
    {"many", "m2"},
    {"one", "broken", false},
    {"one", "deaf", false},
    {"one", "missing", false},
    {"many", "unloadable", false},
};

bool good_model(std::string_view model);

// By what a busy engine shows that it works (decisions.md 2.24).
enum class Evidence : std::uint8_t { none, bytes, counters, log };

struct Schedule {
    std::uint64_t seed = 0;
    lifecycle::LifecyclePolicy policy{};
    nanoseconds length{};  // until the faults stop
    std::size_t workers = 2;
    nanoseconds client_pause{};  // on average, between two requests
    std::uint32_t endless = 0;   // per mille of the clients never end
    Evidence evidence = Evidence::none;
    bool two_runtimes = false;  // one-model engines live in one that can be away
    std::vector<Entry> entries;
};

// plain: without parking, busy engines and a second runtime, as lines of seeds.txt may ask.
enum class Extent : std::uint8_t { whole, plain };

Schedule draw(std::uint64_t seed, lifecycle::PlantedBug bug, Extent extent = Extent::whole);

}  // namespace nova::sim

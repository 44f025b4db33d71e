// Swarm: each run enables a random subset of the faults, so that rare ones are not always drowned.
#include "schedule.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/random.hpp"
#include "lifecycle/supervision.hpp"

namespace nova::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kNames[] = {
    "wish",           "burst",         "cancel",       "kill",           "leave_keep",
    "leave_stop",     "engine_dies",   "engine_hangs", "stranger",       "wall_jump",
    "freeze",         "pull_stalls",   "pull_fails",   "start_fails",    "start_lies",
    "start_hangs",    "health_flaps",  "health_hangs", "loading_stalls", "load_fails",
    "load_hangs",     "stop_hangs",    "stop_lies",    "daemon_away",    "store_away",
    "store_conflict", "publish_fails", "slow_worker",  "quiet",          "busy",
};
static_assert(std::size(kNames) == static_cast<std::size_t>(kLastOfAll) + 1);

class Drawer {
public:
    explicit Drawer(std::uint64_t seed) : rng_{seed} {}

    std::uint64_t between(std::uint64_t least, std::uint64_t most) {
        return least + rng_.below(most - least + 1);
    }

    bool chance(std::uint32_t per_mille) { return rng_.chance(per_mille); }

    milliseconds time(milliseconds most) {
        return milliseconds{rng_.below(static_cast<std::uint64_t>(most.count()) + 1)};
    }

    // Half of the time an entry hangs on a border nova crosses, so that every await is hit.
    Entry once(Act act, milliseconds length, std::uint32_t param) {
        Entry entry{.act = act, .at = time(length), .call = {}, .lasts = {}, .param = param};
        if (chance(500)) {
            entry.call = 1 + rng_.below(1ULL << between(3, 10));
        }
        return entry;
    }

    std::uint32_t wish() {
        // Mostly what works, else little would ever be ready.
        constexpr std::uint32_t kBag[] = {0, 1, 1, 1, 2, 2, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 9};
        return kBag[rng_.below(std::size(kBag))];
    }

private:
    Random rng_;
};

std::uint32_t param_of(Act act, Drawer& drawer) {
    switch (act) {
    case Act::wish:
        return drawer.wish();
    case Act::burst:
        return static_cast<std::uint32_t>(drawer.chance(100) ? 50 : drawer.between(2, 8));
    case Act::kill:
        return static_cast<std::uint32_t>(drawer.chance(700) ? 0 : drawer.between(1, 40));
    case Act::wall_jump:
        return static_cast<std::uint32_t>(drawer.between(0, 4000));
    case Act::cancel:
    case Act::leave_keep:
    case Act::leave_stop:
    case Act::engine_dies:
    case Act::engine_hangs:
    case Act::stranger:
    case Act::freeze:
    case Act::pull_stalls:
    case Act::pull_fails:
    case Act::start_fails:
    case Act::start_lies:
    case Act::start_hangs:
    case Act::health_flaps:
    case Act::health_hangs:
    case Act::loading_stalls:
    case Act::load_fails:
    case Act::load_hangs:
    case Act::stop_hangs:
    case Act::stop_lies:
    case Act::daemon_away:
    case Act::store_away:
    case Act::store_conflict:
    case Act::publish_fails:
    case Act::slow_worker:
    case Act::quiet:
    case Act::busy:
        break;
    }
    constexpr std::uint32_t kChances[] = {100, 300, 500, 1000};
    return kChances[drawer.between(0, 3)];
}

Schedule draw_plain(std::uint64_t seed, lifecycle::PlantedBug bug) {
    Drawer drawer{seed};
    Schedule schedule;
    schedule.seed = seed;
    schedule.policy.bug = bug;
    const milliseconds length{seconds{drawer.between(20, 400)}};
    schedule.length = length;
    schedule.workers = drawer.between(1, 4);
    schedule.client_pause = milliseconds{drawer.between(300, 6000)};
    schedule.endless = static_cast<std::uint32_t>(drawer.chance(400) ? drawer.between(5, 100) : 0);
    schedule.policy.starting_probe_interval =
        milliseconds{drawer.chance(30) ? 50 : drawer.between(500, 3000)};
    schedule.policy.drain = seconds{drawer.chance(700) ? 15 : drawer.between(1, 60)};
    // The first wish comes early, or the run is about nothing.
    schedule.entries.push_back(
        {.act = Act::wish,
         .at = milliseconds{drawer.between(0, 3000)},
         .call = {},
         .lasts = {},
         .param = static_cast<std::uint32_t>(drawer.between(1, 5))}
    );
    const std::uint32_t eagerness = static_cast<std::uint32_t>(drawer.between(100, 600));
    for (std::size_t i = 0; i <= static_cast<std::size_t>(kLastAct); ++i) {
        const Act act = static_cast<Act>(i);
        if (!drawer.chance(act == Act::wish ? 900 : eagerness)) {
            continue;
        }
        const std::uint64_t times = act == Act::wish ? drawer.between(1, 8) : drawer.between(1, 3);
        for (std::uint64_t n = 0; n < times; ++n) {
            Entry entry = drawer.once(act, length, param_of(act, drawer));
            if (act >= kFirstWindow || act == Act::freeze) {
                entry.call.reset();
                entry.lasts =
                    milliseconds{100} + drawer.time(std::min(length, milliseconds{60'000}));
            }
            schedule.entries.push_back(entry);
        }
    }
    return schedule;
}

Entry window(Act act, milliseconds at, milliseconds lasts) {
    return {.act = act, .at = at, .call = {}, .lasts = lasts, .param = 1000};
}

void draw_idleness(Schedule& schedule, Drawer& drawer, milliseconds length) {
    schedule.policy.idle_unload = seconds{drawer.between(4, 60)};
    schedule.policy.idle_look = lifecycle::idle_look_for(schedule.policy.idle_unload);
    if (drawer.chance(500)) {  // somebody comes about when it is put away
        schedule.client_pause =
            schedule.policy.idle_unload *
            static_cast<std::int64_t>(schedule.workers * drawer.between(4, 15)) / 10;
    }
    if (drawer.chance(400)) {
        schedule.policy.canary_interval = seconds{drawer.between(2, 40)};
    }
    for (std::uint64_t n = drawer.between(1, 4); n > 0; --n) {
        const milliseconds at = drawer.time(length);
        schedule.entries.push_back(window(Act::quiet, at, seconds{drawer.between(5, 150)}));
    }
}

void draw_business(Schedule& schedule, Drawer& drawer) {
    const milliseconds length = std::max(
        std::chrono::duration_cast<milliseconds>(schedule.length), milliseconds{seconds{300}}
    );
    schedule.length = length;
    schedule.evidence = static_cast<Evidence>(drawer.between(1, 3));
    schedule.policy.busy_doubt = seconds{drawer.between(20, 150)};
    schedule.policy.probe_interval = seconds{drawer.between(6, 20)};
    for (std::uint64_t n = drawer.between(1, 2); n > 0; --n) {
        const milliseconds at = drawer.time(length);
        schedule.entries.push_back(window(Act::busy, at, seconds{drawer.between(20, 300)}));
    }
}

}  // namespace

std::string_view name(Act act) {
    return kNames[static_cast<std::size_t>(act)];
}

bool good_model(std::string_view model) {
    return std::ranges::all_of(kWishes, [&](const WishChoice& choice) {
        return choice.model != model || choice.good;
    });
}

std::string text(const Entry& entry) {
    std::string when =
        entry.call ? fmt::format("at border {}", *entry.call)
                   : fmt::format("at {:.3f} s", static_cast<double>(entry.at.count()) / 1e9);
    std::string what{name(entry.act)};
    if (entry.act == Act::wish) {
        const WishChoice& wish = kWishes[entry.param];
        what += wish.engine.empty() ? " nothing" : fmt::format(" {}/{}", wish.engine, wish.model);
    } else if (entry.act >= kFirstWindow) {
        what += fmt::format(
            " for {:.1f} s, {} per mille", static_cast<double>(entry.lasts.count()) / 1e9,
            entry.param
        );
    } else if (entry.param > 0) {
        what += fmt::format(" {}", entry.param);
    }
    return fmt::format("{}: {}", when, what);
}

Schedule draw(std::uint64_t seed, lifecycle::PlantedBug bug, Extent extent) {
    Schedule schedule = draw_plain(seed, bug);
    if (extent == Extent::plain) {
        return schedule;
    }
    Drawer drawer{seed ^ 0x9e3779b97f4a7c15ULL};  // dice of its own: the rest stays as it was
    schedule.two_runtimes = drawer.chance(500);
    if (drawer.chance(400)) {
        draw_idleness(schedule, drawer, std::chrono::duration_cast<milliseconds>(schedule.length));
    }
    if (drawer.chance(400)) {
        draw_business(schedule, drawer);
    }
    return schedule;
}

}  // namespace nova::sim

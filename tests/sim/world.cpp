// Time, borders and events of the simulated machine.
#include "world.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "checks.hpp"
#include "life.hpp"

namespace nova::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

void end_of_life() {
    throw boost::system::system_error{asio::error::operation_aborted};
}

Bell::Bell(const asio::any_io_executor& executor) : timer_{executor, TimePoint::max()} {}

Task<void> Bell::wait() {
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Engine::Engine(const asio::any_io_executor& executor, runtime::InstanceHandle named)
    : handle{std::move(named)}, ended{executor} {}

std::string_view name(Mishap mishap) {
    switch (mishap) {
    case Mishap::none:
        return "goes well";
    case Mishap::fails:
        return "fails";
    case Mishap::lies:
        return "works and says it failed";
    case Mishap::hangs:
        return "hangs";
    case Mishap::engine_dies:
        return "sees the engine die";
    case Mishap::killed:
        return "sees nova killed";
    }
    return "";
}

World::World(Schedule drawn, std::FILE* trace_to)
    : schedule{std::move(drawn)}, rng{schedule.seed ^ 0x6e6f7661ULL},
      ledger{[this](std::string what) { violated(std::move(what)); }}, trace_{trace_to},
      began_{clock.now()} {
    for (const Entry& entry : schedule.entries) {
        if (entry.call) {
            on_border_.emplace(*entry.call, entry);
        } else {
            at(began_ + std::chrono::duration_cast<TimePoint::duration>(entry.at),
               [this, entry] { fire(entry); });
        }
    }
}

World::~World() = default;

// ---------------------------------------------------------------- borders

Task<Crossing> World::reach(Life& caller, std::string_view border) {
    if (caller.dead) {
        co_return Crossing{.alive = false, .mishap = Mishap::none};
    }
    Crossing crossing;
    ++borders;
    if (borders_seen != nullptr) {
        borders_seen->emplace_back(border);
    }
    const auto [first, last] = on_border_.equal_range(borders);
    std::vector<Entry> due;
    std::transform(first, last, std::back_inserter(due), [](const auto& at) { return at.second; });
    on_border_.erase(first, last);
    for (const Entry& entry : due) {
        trace("  border {} {}", borders, border);
        fire(entry);
    }
    if (planned && planned->first == borders) {
        crossing.mishap = planned->second;
        trace("  border {} {} {}", borders, border, name(crossing.mishap));
        if (crossing.mishap == Mishap::killed) {
            kill();
        } else if (crossing.mishap == Mishap::engine_dies) {
            for (const auto& engine : engines) {
                engine_ends(*engine);
            }
        }
    }
    co_await clock.sleep_for(rng.chance(100) ? some(1, 300) : some(0, 4));
    crossing.alive = !caller.dead;
    co_return crossing;
}

Task<Mishap> World::cross(Life& caller, std::string_view border) {
    const Crossing crossing = co_await reach(caller, border);
    if (!crossing.alive) {
        end_of_life();
    }
    co_return crossing.mishap;
}

bool World::troubled(Act act) {
    for (const Entry& window : windows_) {
        const TimePoint until =
            began_ + std::chrono::duration_cast<TimePoint::duration>(window.at + window.lasts);
        if (window.act == act && clock.now() < until && rng.chance(window.param)) {
            trace("  {} strikes", name(act));
            return true;
        }
    }
    return false;
}

bool World::during(Act act) const {
    return std::ranges::any_of(windows_, [&](const Entry& window) {
        return window.act == act &&
               clock.now() <
                   began_ +
                       std::chrono::duration_cast<TimePoint::duration>(window.at + window.lasts);
    });
}

void World::quiet_for(nanoseconds time) {
    fire({.act = Act::quiet, .at = clock.now() - began_, .call = {}, .lasts = time, .param = 1000});
}

milliseconds World::some(std::uint64_t least_ms, std::uint64_t most_ms) {
    return milliseconds{least_ms + rng.below(most_ms - least_ms + 1)};
}

// ---------------------------------------------------------------- time

void World::at(TimePoint time, std::function<void()> what) {
    events_.emplace(time, std::move(what));
}

TimePoint World::next_event() const {
    return events_.empty() ? TimePoint::max() : events_.begin()->first;
}

void World::fire_due() {
    while (!events_.empty() && events_.begin()->first <= clock.now()) {
        const auto what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
    }
}

// A nova that was killed or has ended leaves its connections and coroutines; the next one comes.
bool World::bury() {
    if (!life || (!life->dead && !life->ended)) {
        return false;
    }
    trace("nova {} is gone", life->number);
    life->kill();
    graves_.push_back(std::move(life));
    after(std::exchange(downtime_, {}) + some(0, 300), [this] { boot(); });
    return true;
}

void World::settle_io() {
    do {
        io.restart();
        while (io.poll() > 0) {
        }
    } while (bury());
    std::erase_if(graves_, [](const auto& grave) { return grave->quiet(); });
}

bool World::run_until(TimePoint end, const std::function<bool()>& done) {
    for (;;) {
        settle_io();
        check(*this);
        if (failed()) {
            return false;
        }
        if (done()) {
            return true;
        }
        const TimePoint next = std::min(clock.next_wake(), next_event());
        if (next > end) {
            clock.advance(end - clock.now());
            return false;
        }
        if (next > clock.now()) {
            clock.advance(next - clock.now());
        }
        fire_due();
    }
}

// ---------------------------------------------------------------- what happens

void World::boot() {
    if (life) {
        return;
    }
    ledger.new_life();
    for (const auto& engine : engines) {
        forget_looks(*engine);
    }
    life = std::make_unique<Life>(*this, ++lives_);
    trace("nova boots");
}

void World::kill() {
    if (life) {
        life->dead = true;
    }
}

void World::leave(bool stop) {
    if (life && !life->dead && !life->leaving()) {
        life->leave(stop ? lifecycle::Leave::stop : lifecycle::Leave::keep);
    }
}

void World::engine_ends(Engine& engine) {
    if (!engine.alive) {
        return;
    }
    engine.alive = false;
    engine.ended.ring();
    trace("  engine {} ends", engine.handle.identity.generation.value);
    if (life) {
        life->traffic.engine_ended(engine.handle.endpoint);
    }
}

void World::wish(const WishChoice& choice) {
    if (life && !life->dead) {
        life->ask(choice);
    }
}

void World::fire(const Entry& entry) {
    if (!faults_) {
        return;
    }
    trace("! {}", text(entry));
    const auto every = [&](const auto& action) {
        for (const auto& engine : engines) {
            if (engine->alive) {
                action(*engine);
            }
        }
    };
    if (entry.act >= kFirstWindow) {
        windows_.push_back(entry);
        if (entry.act == Act::busy) {
            busy_.push_back(entry);
        }
        if (entry.act == Act::daemon_away) {
            every([](Engine& engine) { engine.ended.ring(); });
        }
    } else if (entry.act == Act::wish) {
        wish(kWishes[entry.param]);
    } else if (entry.act == Act::burst) {
        for (std::uint32_t i = 0; i < entry.param; ++i) {
            wish(kWishes[rng.below(std::size(kWishes))]);
        }
    } else if (entry.act == Act::cancel && life && !life->dead) {
        life->ask_to_cancel();
    } else if (entry.act == Act::kill) {
        downtime_ = seconds{entry.param};
        kill();
    } else if (entry.act == Act::leave_keep || entry.act == Act::leave_stop) {
        leave(entry.act == Act::leave_stop);
    } else if (entry.act == Act::engine_dies) {
        every([this](Engine& engine) { engine_ends(engine); });
    } else if (entry.act == Act::engine_hangs) {
        every([this](Engine& engine) {
            engine.hangs = true;
            engine.hung_at = std::min(engine.hung_at, clock.now());
        });
    } else if (entry.act == Act::stranger) {
        every([this](Engine& engine) {
            strangers.push_back(engine.handle.endpoint);
            engine_ends(engine);
        });
    } else if (entry.act == Act::wall_jump) {
        wall_offset += std::chrono::minutes{static_cast<int>(entry.param) - 2000};
    } else if (entry.act == Act::freeze) {
        froze = true;
        // What nova hears of a look from before, it hears when it wakes: its doubt begins there.
        for (const auto& engine : engines) {
            engine->bad_since.reset();
            engine->overdue = 0;
        }
        clock.advance(entry.lasts);
    }
}

void World::stop_faults() {
    trace("! faults stop");
    faults_ = false;
    windows_.clear();
    for (Entry& entry : busy_) {
        entry.lasts = std::min<nanoseconds>(entry.lasts, clock.now() - began_ - entry.at);
    }
    on_border_.clear();
    planned.reset();
}

void World::end() {
    stop_faults();
    kill();
    const TimePoint patience = clock.now() + std::chrono::hours{1};
    events_.clear();
    while (clock.now() < patience) {
        settle_io();
        if (graves_.empty() || !clock.jump_to_next()) {
            break;
        }
    }
    NOVA_CHECK(graves_.empty());
}

// ---------------------------------------------------------------- engines

std::shared_ptr<Engine> World::find(const runtime::InstanceHandle& handle) const {
    const auto found =
        std::ranges::find_if(engines, [&](const auto& engine) { return engine->handle == handle; });
    return found == engines.end() ? nullptr : *found;
}

std::shared_ptr<Engine> World::at_address(const Endpoint& endpoint) const {
    const auto found = std::ranges::find_if(engines, [&](const auto& engine) {
        return engine->alive && engine->handle.endpoint == endpoint;
    });
    return found == engines.end() ? nullptr : *found;
}

std::shared_ptr<Engine> World::of_generation(Generation generation) const {
    const auto found = std::ranges::find_if(engines, [&](const auto& engine) {
        return engine->handle.identity.generation == generation;
    });
    return found == engines.end() ? nullptr : *found;
}

nanoseconds World::work_of(const Engine& engine) const {
    nanoseconds sum{};
    for (const Entry& entry : busy_) {
        const auto ready = std::max<nanoseconds>(entry.at, engine.ready_at - began_);
        const auto end = std::min<nanoseconds>(
            entry.at + entry.lasts, std::min(clock.now(), engine.hung_at) - began_
        );
        sum += engine.ready_at == TimePoint::max() ? nanoseconds{}
                                                   : std::max(nanoseconds{}, end - ready);
    }
    return sum;
}

bool World::works(const Engine& engine) const {
    return engine.alive && !engine.hangs && clock.now() >= engine.ready_at && during(Act::busy);
}

void World::looked_at(Engine& engine, bool answered) {
    const TimePoint now = clock.now();
    engine.looks.push_back({.at = now, .answered = answered, .work = work_of(engine)});
    if (engine.looks.size() > 16) {
        engine.looks.pop_front();
    }
    if (answered) {
        engine.bad_since.reset();
        engine.overdue = 0;
        return;
    }
    engine.bad_since = engine.bad_since.value_or(now);
    if (now >= *engine.bad_since + schedule.policy.busy_doubt) {
        ++engine.overdue;
    }
}

void World::forget_looks(Engine& engine) {
    engine.looks.clear();
    engine.bad_since.reset();
    engine.overdue = 0;
}

std::size_t World::alive() const {
    return static_cast<std::size_t>(std::ranges::count_if(engines, [](const auto& engine) {
        return engine->alive;
    }));
}

void World::spawn(
    Life& caller, const runtime::InstanceSpec& spec, runtime::InstanceHandle& handle
) {
    judge_spawn(*this, caller, spec.identity.generation);
    handle.identity = spec.identity;
    handle.name = spec.name;
    handle.runtime = spec.runtime;
    handle.endpoint = {.host = "127.0.0.1", .port = next_port_++, .tls = false};
    handle.pid = static_cast<std::int64_t>(100 + rng.below(4));  // used again and again
    handle.start_ticks = ++starts_;
    auto engine = std::make_shared<Engine>(io.get_executor(), handle);
    engine->model = spec.argv.front();
    engine->key = spec.env.at("KEY");
    engine->started = clock.now();
    engine->ready_at = clock.now() + some(20, 6000);
    if (engine->model == "slow") {
        engine->ready_at = clock.now() + some(60'000, 280'000);
    }
    engine->progress_until = engine->ready_at;
    if (engine->model == "deaf") {
        engine->ready_at = TimePoint::max();
    } else if (troubled(Act::loading_stalls)) {
        engine->ready_at += seconds{200};
    }
    trace("  engine {} runs {}", spec.identity.generation.value, engine->model);
    engines.push_back(engine);
    if (engine->model == "broken") {
        engine->broken = true;
        engine->ready_at = TimePoint::max();
        after(some(1, 2000), [this, engine] { engine_ends(*engine); });
    }
}

// ---------------------------------------------------------------- findings

std::uint64_t World::steps_at_once() {
    steps_now_ = std::exchange(step_time_, clock.now()) == clock.now() ? steps_now_ + 1 : 1;
    return steps_now_;
}

void World::violated(std::string what) {
    if (!violation_) {
        trace("VIOLATED: {}", what);
        violation_ = std::move(what);
    }
}

void World::trace_line(const std::string& line) const {
    const double at = std::chrono::duration<double>(clock.now() - began_).count();
    fmt::print(trace_, "{:10.3f} {}\n", at, line);
}

}  // namespace nova::sim

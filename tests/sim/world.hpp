// The machine around nova in virtual time: what runs, what is stored, who asks, what goes wrong.
#pragma once

#include <cstdio>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "core/clock.hpp"
#include "core/random.hpp"
#include "ledger.hpp"
#include "runtime/runtime_driver.hpp"
#include "schedule.hpp"

namespace nova::sim {

class Life;

// Thrown into a coroutine of a nova that has been killed: it does nothing any more.
[[noreturn]] void end_of_life();

// Wakes everybody who waits. A waiter looks again at what it waits for.
class Bell {
public:
    explicit Bell(const asio::any_io_executor& executor);
    Task<void> wait();

    void ring() { timer_.cancel(); }

private:
    asio::steady_timer timer_;
};

// What a probe of an engine came to.
struct Look {
    TimePoint at{};
    bool answered = false;
    nanoseconds work{};  // that the engine had done by then
};

// A process or container that carries our marker.
struct Engine {
    Engine(const asio::any_io_executor& executor, runtime::InstanceHandle named);

    runtime::InstanceHandle handle;
    std::string model;
    std::string key;
    bool alive = true;
    bool hangs = false;  // for ever
    TimePoint hung_at = TimePoint::max();
    bool broken = false;  // its file is: it ends at once
    TimePoint started{};
    TimePoint ready_at{};        // TimePoint::max(): never
    TimePoint progress_until{};  // its log tells of progress until then
    std::vector<std::string> loaded;
    std::deque<Look> looks;              // the last ones
    std::optional<TimePoint> bad_since;  // first bad one since the last good one
    std::size_t overdue = 0;             // bad ones since the benefit of the doubt was used up
    Bell ended;
};

// What happens to one call beyond its latency, in --fail-effects.
enum class Mishap : std::uint8_t { none, fails, lies, hangs, engine_dies, killed };

inline constexpr Mishap kLastMishap = Mishap::killed;

std::string_view name(Mishap mishap);

struct Crossing {
    bool alive = true;  // false: the nova that called has been killed meanwhile
    Mishap mishap = Mishap::none;
};

class World {
public:
    World(Schedule drawn, std::FILE* trace_to);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World();

    // ---- borders: every call of nova into the world passes two, one before and one after it acts
    Task<Crossing> reach(Life& life, std::string_view border);
    // The same where a call of the dead may end by an exception.
    Task<Mishap> cross(Life& life, std::string_view border);
    // Hits this call now? Only while the schedule says so, and never after the faults stopped.
    bool troubled(Act act);
    // Is such a window open? Without dice.
    bool during(Act act) const;
    void quiet_for(nanoseconds time);

    // ---- time
    void at(TimePoint time, std::function<void()> what);

    void after(nanoseconds time, std::function<void()> what) {
        at(clock.now() + std::chrono::duration_cast<TimePoint::duration>(time), std::move(what));
    }

    // Polls until idle, checks, jumps; returns when done() holds or the time is over: false.
    bool run_until(TimePoint end, const std::function<bool()>& done);
    std::chrono::milliseconds some(std::uint64_t least_ms, std::uint64_t most_ms);

    // ---- what happens
    void boot();
    void kill();
    void leave(bool stop);
    void fire(const Entry& entry);
    void wish(const WishChoice& choice);
    void engine_ends(Engine& engine);
    void stop_faults();
    void end();  // the last nova is killed and everything it left behind ends

    // How many transitions there were since time moved last.
    std::uint64_t steps_at_once();

    // ---- engines
    std::shared_ptr<Engine> find(const runtime::InstanceHandle& handle) const;
    std::shared_ptr<Engine> at_address(const Endpoint& endpoint) const;
    std::shared_ptr<Engine> of_generation(Generation generation) const;
    std::size_t alive() const;
    // How long it was busy so far; what it shows of that is bytes, counters or lines.
    nanoseconds work_of(const Engine& engine) const;
    bool works(const Engine& engine) const;
    void looked_at(Engine& engine, bool answered);
    void forget_looks(Engine& engine);
    void spawn(Life& life, const runtime::InstanceSpec& spec, runtime::InstanceHandle& handle);

    // ---- findings
    void violated(std::string what);

    bool failed() const { return violation_.has_value(); }

    const std::optional<std::string>& violation() const { return violation_; }

    template <class... Args>
    void trace(fmt::format_string<Args...> format, Args&&... args) {
        if (trace_ != nullptr) {
            trace_line(fmt::format(format, std::forward<Args>(args)...));
        }
    }

    bool tracing() const { return trace_ != nullptr; }

    Schedule schedule;
    asio::io_context io{1};
    VirtualClock clock;
    Random rng;
    Ledger ledger;
    std::list<std::shared_ptr<Engine>> engines;
    std::vector<Endpoint> strangers;
    std::unique_ptr<Life> life;  // the nova that runs now
    nanoseconds wall_offset{};
    std::uint64_t borders = 0;
    std::uint64_t keys = 0;
    std::uint64_t steps = 0;                                  // transitions
    std::uint64_t admitted = 0;                               // requests
    std::optional<std::pair<std::uint64_t, Mishap>> planned;  // at this border
    std::vector<std::string>* borders_seen = nullptr;         // in order, where somebody asks
    bool froze = false;

private:
    void trace_line(const std::string& line) const;
    bool bury();
    void settle_io();
    void fire_due();
    TimePoint next_event() const;

    std::FILE* trace_;
    TimePoint began_;
    bool faults_ = true;
    std::multimap<TimePoint, std::function<void()>> events_;
    std::multimap<std::uint64_t, Entry> on_border_;
    std::vector<Entry> windows_;  // open ones
    std::vector<Entry> busy_;     // of these, those of work; never forgotten
    std::list<std::unique_ptr<Life>> graves_;
    std::optional<std::string> violation_;
    std::uint16_t next_port_ = 20'000;
    std::uint64_t starts_ = 0;
    std::uint64_t lives_ = 0;
    TimePoint step_time_{};
    std::uint64_t steps_now_ = 0;
    nanoseconds downtime_{};
};

}  // namespace nova::sim

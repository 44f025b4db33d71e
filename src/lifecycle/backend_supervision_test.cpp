// What runs is looked at: idle engines are put away and woken, busy ones left alone, and a table of
// how long everything takes, kept in docs/supervision.md.
#include <algorithm>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/checkout.hpp"
#include "lifecycle/sim_nova.hpp"

namespace nova::lifecycle {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class World {
public:
    explicit World(LifecyclePolicy policy = {}) : policy_{policy} {}

    Nova& boot() {
        nova_.reset();
        nova_ = std::make_unique<Nova>(io_, clock_, machine, store_, policy_);
        nova_->run_for(Milliseconds{10});
        return *nova_;
    }

    Nova& ready() {
        Nova& nova = boot();
        nova.want("a");
        nova.run_for(seconds{2});
        EXPECT_EQ(phase(), Phase::ready);
        return nova;
    }

    Phase phase() const { return nova_->controller.status().phase; }

    TimePoint now() const { return clock_.now(); }

    Operation last_operation() {
        std::vector<Operation> all;
        nova_->tasks.spawn("list", list(all));
        nova_->run_for(Milliseconds{1});
        return all.empty() ? Operation{} : all.front();
    }

    SimMachine machine;

private:
    Task<void> list(std::vector<Operation>& into) {
        const auto rows = co_await store_.operations(100);
        for (const auto& row : *rows) {
            into.push_back(*operation_from(*parse_json(row.json, "operation")));
        }
    }

    LifecyclePolicy policy_;
    asio::io_context io_;
    VirtualClock clock_;
    FragileStore store_;
    std::unique_ptr<Nova> nova_;
};

LifecyclePolicy idle_after(seconds time) {
    LifecyclePolicy policy;
    policy.idle_unload = time;
    policy.idle_look = seconds{10};
    return policy;
}

TEST(BackendSupervision, PutsAnIdleEngineAwayAndWakesItForARequest) {
    World world{idle_after(minutes{5})};
    Nova& nova = world.ready();
    for (int i = 0; i < 20; ++i) {  // used now and then
        nova.traffic.now.bytes += 10;
        nova.run_for(minutes{1});
    }
    EXPECT_EQ(world.phase(), Phase::ready);
    nova.traffic.now.leases = 1;  // a request that gets no byte is one all the same
    nova.run_for(minutes{10});
    EXPECT_EQ(world.phase(), Phase::ready);
    nova.traffic.now.leases = 0;
    nova.run_for(minutes{5} + seconds{30});
    EXPECT_EQ(world.phase(), Phase::parked);
    EXPECT_EQ(world.machine.running(), 0U);
    EXPECT_EQ(nova.controller.status().model, "a");
    EXPECT_FALSE(nova.traffic.last.open);
    EXPECT_FALSE(nova.traffic.last.known_models.empty());  // 503 and a wake, never a 404
    nova.run_for(minutes{60});
    EXPECT_EQ(world.phase(), Phase::parked);

    nova.controller.wake();
    nova.controller.wake();
    nova.run_for(seconds{2});
    EXPECT_EQ(world.phase(), Phase::ready);
    const Operation woken = world.last_operation();
    EXPECT_EQ(woken.kind, "start");
    EXPECT_EQ(woken.actor, "wake");
    EXPECT_EQ(woken.state, OperationState::succeeded);
    EXPECT_EQ(world.machine.most_at_once, 1U);
}

TEST(BackendSupervision, AModelThatIsMissedIsFoundWhereTheEngineListsItByNow) {
    World world;
    Nova& nova = world.ready();
    const std::size_t published = nova.traffic.history.size();
    const UpstreamId id = nova.traffic.last.open->id;
    nova.tasks.spawn("look", nova.controller.look_for_models());
    nova.run_for(seconds{1});
    EXPECT_EQ(nova.traffic.history.size(), published) << "nothing new: nothing is published";
    nova.engine.listed = {"model", "pulled"};
    nova.tasks.spawn("look", nova.controller.look_for_models());
    nova.run_for(seconds{1});
    ASSERT_TRUE(nova.traffic.last.open);
    EXPECT_EQ(nova.traffic.last.open->models, nova.engine.listed);
    EXPECT_EQ(nova.traffic.last.known_models, nova.engine.listed);
    EXPECT_EQ(nova.traffic.last.open->id, id) << "the same instance: nobody is drained";
    EXPECT_EQ(nova.runtime.stops, 0U);

    nova.want(std::nullopt);
    nova.run_for(minutes{1});
    nova.tasks.spawn("look", nova.controller.look_for_models());
    nova.run_for(seconds{1});
    EXPECT_FALSE(nova.traffic.last.open) << "where nothing runs there is nobody to ask";
}

TEST(BackendSupervision, NeverCutsWhoSlippedInWhileItLookedIdle) {
    World world{idle_after(minutes{5})};
    Nova& nova = world.ready();
    nova.traffic.request_takes = minutes{20};
    nova.run_for(minutes{15});
    EXPECT_EQ(nova.traffic.cuts, 0U);
    EXPECT_EQ(world.phase(), Phase::ready);
    EXPECT_EQ(nova.runtime.stops, 0U);
    EXPECT_GT(std::ranges::count(nova.traffic.history, "closed"), 0);
    nova.traffic.request_takes = Milliseconds{5};
    nova.run_for(minutes{6});
    EXPECT_EQ(world.phase(), Phase::parked);
}

TEST(BackendSupervision, StaysParkedThroughARestartUntilSomebodyAsks) {
    World world{idle_after(minutes{5})};
    world.ready().run_for(minutes{6});
    ASSERT_EQ(world.phase(), Phase::parked);
    Nova& second = world.boot();
    second.run_for(minutes{30});
    EXPECT_EQ(world.phase(), Phase::parked);
    EXPECT_EQ(world.machine.running(), 0U);
    second.controller.wake();
    second.run_for(seconds{2});
    EXPECT_EQ(world.phase(), Phase::ready);
}

TEST(BackendSupervision, StartsWhatIsParkedWhenItIsAskedForAndForgetsItWhenStopped) {
    World world{idle_after(minutes{5})};
    Nova& nova = world.ready();
    nova.run_for(minutes{6});
    ASSERT_EQ(world.phase(), Phase::parked);
    const auto answer = nova.want("a");
    nova.run_for(seconds{2});
    EXPECT_FALSE((**answer)->already);
    EXPECT_EQ(world.phase(), Phase::ready);
    EXPECT_EQ(world.last_operation().kind, "start");
    nova.run_for(minutes{6});
    ASSERT_EQ(world.phase(), Phase::parked);
    nova.want(std::nullopt);
    nova.run_for(seconds{2});
    EXPECT_EQ(world.phase(), Phase::stopped);
    EXPECT_EQ(world.last_operation().state, OperationState::succeeded);
    nova.controller.wake();
    nova.run_for(minutes{1});
    EXPECT_EQ(world.phase(), Phase::stopped);
}

TEST(BackendSupervision, LeavesWhileItIsParked) {
    World world{idle_after(minutes{5})};
    Nova& nova = world.ready();
    nova.run_for(minutes{6});
    nova.controller.leave(Leave::stop);
    nova.run_for(seconds{3});
    EXPECT_EQ(nova.tasks.running(), 0U);
    world.boot();
    EXPECT_EQ(world.phase(), Phase::parked);
}

TEST(BackendSupervision, TriesAnIdleEngineWithACanaryThatIsNoUse) {
    LifecyclePolicy policy = idle_after(minutes{10});
    policy.canary_interval = minutes{1};
    World world{policy};
    Nova& nova = world.ready();
    nova.traffic.now.leases = 1;
    nova.run_for(minutes{5});
    EXPECT_EQ(nova.engine.canaries, 0U);  // never behind somebody's back
    nova.traffic.now.leases = 0;
    nova.run_for(minutes{5});
    EXPECT_GE(nova.engine.canaries, 4U);
    EXPECT_LE(nova.engine.canaries, 6U);
    nova.run_for(minutes{6});
    EXPECT_EQ(world.phase(), Phase::parked);
    const std::size_t before = nova.engine.canaries;
    nova.run_for(minutes{10});
    EXPECT_EQ(nova.engine.canaries, before);  // and never wakes anything
}

// ---------------------------------------------------------------- the table

// What a fault of the engine looks like from outside, second by second.
struct Behaviour {
    std::string name;
    std::function<void(World&, Nova&)> begin;
    std::function<void(World&, Nova&)> each_second{};
    minutes watched{15};
    bool dead = false;  // taking it away is right
    LifecyclePolicy policy{};
};

SimMachine::Instance* engine_of(World& world) {
    return world.machine.instances.empty() ? nullptr : &world.machine.instances.front();
}

void with_engine(World& world, const std::function<void(SimMachine::Instance&)>& action) {
    if (auto* engine = engine_of(world)) {
        action(*engine);
    }
}

struct Seen {
    std::vector<std::int64_t> found;  // seconds from the beginning to traffic closed
    std::size_t runs = 0;
};

// Ten beginnings, three seconds apart: every place between two looks.
Seen watch(const Behaviour& behaviour) {
    Seen seen;
    for (int offset = 0; offset < 30; offset += 3) {
        World world{behaviour.policy};
        Nova& nova = world.ready();
        nova.run_for(minutes{1} + seconds{offset});
        const Endpoint endpoint = engine_of(world)->handle.endpoint;
        behaviour.begin(world, nova);
        ++seen.runs;
        for (seconds since{1}; since < behaviour.watched; ++since) {
            nova.run_for(seconds{1});
            const auto* const engine = engine_of(world);
            if (engine == nullptr || engine->handle.endpoint != endpoint ||
                world.phase() != Phase::ready) {
                seen.found.push_back(since.count());
                nova.run_for(minutes{1});
                EXPECT_EQ(world.phase(), Phase::ready) << behaviour.name;  // replaced
                break;
            }
            if (behaviour.each_second) {
                behaviour.each_second(world, nova);
            }
        }
    }
    return seen;
}

std::string row_of(const Behaviour& behaviour, const Seen& seen) {
    std::string what = "left alone";
    std::string after = "-";
    if (!seen.found.empty()) {
        what = seen.found.size() == seen.runs ? "replaced" : "replaced at times";
        const auto [least, most] = std::ranges::minmax(seen.found);
        after = least == most ? fmt::format("{} s", least) : fmt::format("{} to {} s", least, most);
    } else if (behaviour.dead) {
        what = "not found";
    }
    const std::size_t wrong = behaviour.dead ? 0 : seen.found.size();
    return fmt::format("| {} | {} | {} | {} |\n", behaviour.name, what, after, wrong);
}

void more_bytes(World&, Nova& nova) {
    nova.traffic.now.bytes += 100;
}

void more_log(World& world, Nova&) {
    with_engine(world, [](auto& engine) { engine.log += "prompt processing\n"; });
}

void more_tokens(World& world, Nova&) {
    with_engine(world, [](auto& engine) { engine.counters = engine.counters.value_or(0) + 1; });
}

void stop_answering(World& world, Nova&) {
    with_engine(world, [](auto& engine) { engine.answers = false; });
}

std::vector<Behaviour> dead_ones() {
    std::vector<Behaviour> all;
    const auto add = [&](std::string name, std::function<void(World&, Nova&)> begin,
                         std::function<void(World&, Nova&)> each_second = {}) {
        all.push_back({std::move(name), std::move(begin), std::move(each_second)});
        all.back().dead = true;
    };
    add("its process ends", [](World& world, Nova&) { engine_of(world)->running = false; });
    add("stopped by SIGSTOP, or deadlocked, while idle", stop_answering);
    add("the same while it streams to a client that waits on", [](World& world, Nova& nova) {
        nova.traffic.now.leases = 1;
        nova.traffic.now.bytes += 100;
        stop_answering(world, nova);
    });
    add(
        "health answers with an error; the access log grows with every look",
        [](World& world, Nova&) { engine_of(world)->bad_health = true; }, more_log
    );
    add("health hangs while bytes flow, without end", stop_answering, more_bytes);
    all.back().watched = minutes{30};
    const auto no_compute = [](World& world, Nova&) { engine_of(world)->computes = false; };
    add("computes nothing any more, health is fine; no canary", no_compute);
    all.back().watched = minutes{30};
    add("the same with canary_interval_s = 60", no_compute);
    all.back().policy.canary_interval = seconds{60};
    return all;
}

std::vector<Behaviour> busy_ones() {
    std::vector<Behaviour> all;
    const auto add = [&](std::string name, std::function<void(World&, Nova&)> begin,
                         std::function<void(World&, Nova&)> each_second = {}) {
        all.push_back({std::move(name), std::move(begin), std::move(each_second)});
    };
    add("health hangs while bytes flow, 9 minutes", stop_answering, more_bytes);
    all.back().watched = minutes{9};
    add("health hangs while the log grows (a long prompt), 9 minutes", stop_answering, more_log);
    all.back().watched = minutes{9};
    add(
        "health hangs while the engine's counters rise, 9 minutes",
        [](World& world, Nova& nova) {
            more_tokens(world, nova);
            stop_answering(world, nova);
        },
        more_tokens
    );
    all.back().watched = minutes{9};
    add("health takes 4 s",
        [](World& world, Nova&) { engine_of(world)->health_takes = seconds{4}; });
    add("health hangs for 50 s, then answers again", stop_answering,
        [seconds_gone = std::make_shared<int>(0)](World& world, Nova&) {
            if (engine_of(world)->answers) {
                *seconds_gone = 0;
            } else if (++*seconds_gone >= 50) {
                engine_of(world)->answers = true;
            }
        });
    return all;
}

// ---------------------------------------------------------------- loads

struct Load {
    std::string name;
    std::chrono::seconds takes;
    int stalls_at_percent = 100;
    bool tells = true;
};

std::string load_row(const Load& load) {
    World world;
    Nova& nova = world.boot();
    world.machine.loads_for = load.takes;
    world.machine.stalls_at_percent = load.stalls_at_percent;
    world.machine.tells_of_loading = load.tells;
    const TimePoint began = world.now();
    nova.want("a");
    while (world.now() < began + minutes{30}) {
        nova.run_for(Milliseconds{100});
        const BackendStatus status = nova.controller.status();
        const std::chrono::duration<double> since = world.now() - began;
        if (status.phase == Phase::ready) {
            return fmt::format("| {} | ready | {:.0f} s | |\n", load.name, since.count());
        }
        if (status.error) {
            return fmt::format(
                "| {} | `{}` | {:.0f} s | {} |\n", load.name, status.error->code, since.count(),
                status.error->detail
            );
        }
    }
    return fmt::format("| {} | still loading | | |\n", load.name);
}

std::string table() {
    std::string text = "| the engine | nova | after | wrong, of 10 |\n|---|---|---|---|\n";
    for (const auto& list : {dead_ones(), busy_ones()}) {
        for (const Behaviour& behaviour : list) {
            text += row_of(behaviour, watch(behaviour));
        }
    }
    text += "\n| the load | ends | after | the operation's error |\n|---|---|---|---|\n";
    const Load loads[] = {
        {.name = "4 minutes, telling of progress", .takes = minutes{4}},
        {.name = "100 s without a word", .takes = seconds{100}, .tells = false},
        {.name = "4 minutes, stalls at 60 %", .takes = minutes{4}, .stalls_at_percent = 60},
        {.name = "stalls at 60 % after 30 s", .takes = seconds{50}, .stalls_at_percent = 60},
        {.name = "no output at all", .takes = minutes{60}, .tells = false},
    };
    for (const Load& load : loads) {
        text += load_row(load);
    }
    return text;
}

TEST(BackendSupervision, TakesAsLongAsTheDocumentSays) {
    const std::string measured = table();
    fmt::print("{}", measured);
    std::ifstream file{checkout() / "docs/supervision.md"};
    std::stringstream document;
    document << file.rdbuf();
    EXPECT_TRUE(document.str().contains(measured))
        << "docs/supervision.md does not hold the table above";
}

}  // namespace
}  // namespace nova::lifecycle

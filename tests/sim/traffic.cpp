// Workers that hear of publications late and answer late; clients that come and stay.
#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "checks.hpp"
#include "gateway/router.hpp"
#include "life.hpp"

namespace nova::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

// ---------------------------------------------------------------- a worker

SimWorker::UpstreamGate* SimWorker::find(const UpstreamId& id) const {
    const auto at = std::ranges::find_if(gates, [&](const auto& gate) { return gate->id == id; });
    return at == gates.end() ? nullptr : at->get();
}

void SimWorker::install(std::shared_ptr<const gateway::RoutingTable> next) {
    for (const auto& entry : gates) {
        if (!next->local || entry->id != next->local->id) {
            entry->gate.close();
        }
    }
    std::erase_if(gates, [](const auto& entry) {
        return entry->gate.closed() && entry->gate.inside() == 0;
    });
    if (next->local && find(next->local->id) == nullptr) {
        gates.push_back(std::make_unique<UpstreamGate>());
        gates.back()->id = next->local->id;
    }
    table = std::move(next);
}

void SimWorker::when_drained(const UpstreamId& id, std::move_only_function<void()> callback) const {
    UpstreamGate* found = find(id);
    if (found == nullptr) {
        callback();
        return;
    }
    found->gate.when_empty(std::move(callback));
}

std::size_t SimWorker::inflight(const UpstreamId& id) const {
    const UpstreamGate* found = find(id);
    return found == nullptr ? 0 : found->gate.inside();
}

std::size_t SimWorker::streams_on(const UpstreamId& id) const {
    return static_cast<std::size_t>(std::ranges::count_if(streams, [&](const auto& stream) {
        return stream.second.upstream == id;
    }));
}

void SimWorker::cut(const UpstreamId& id) {
    std::erase_if(streams, [&](const auto& stream) { return stream.second.upstream == id; });
}

// ---------------------------------------------------------------- publications

// Answers of several workers; whoever waits sleeps until enough are in.
struct SimTraffic::Answers {
    explicit Answers(const asio::any_io_executor& executor) : bell{executor} {}

    std::size_t in = 0;
    std::size_t sum = 0;
    Bell bell;
};

SimTraffic::SimTraffic(Life& life) : workers(life.world.schedule.workers), life_{life} {}

// A message to a worker; its answer is a message back.
void SimTraffic::tell(
    std::size_t worker, const std::shared_ptr<Answers>& answers,
    std::function<void(SimWorker&, std::function<void()>)> what
) {
    World& world = life_.world;
    milliseconds late = world.some(0, 3);
    if (world.troubled(Act::slow_worker)) {
        late += world.some(10, 3000);
    }
    workers[worker].heard = std::max(workers[worker].heard, world.clock.now() + late);
    const std::weak_ptr<int> shop = shop_;
    const auto back = [shop, answers, &world] {
        world.after(world.some(0, 3), [shop, answers] {
            if (shop.lock()) {
                ++answers->in;
                answers->bell.ring();
            }
        });
    };
    world.at(workers[worker].heard, [this, shop, worker, back, what = std::move(what)] {
        if (shop.lock()) {
            what(workers[worker], back);
        }
    });
}

Task<bool>
SimTraffic::answered(std::shared_ptr<Answers> answers, std::size_t enough, TimePoint deadline) {
    World& world = life_.world;
    if (deadline != TimePoint::max()) {
        world.at(deadline, [answers] { answers->bell.ring(); });
    }
    waiting_.push_back(answers);
    while (answers->in < enough && world.clock.now() < deadline && !life_.dead) {
        co_await answers->bell.wait();
    }
    std::erase_if(waiting_, [](const auto& one) { return one.expired(); });
    co_return life_.dead || answers->in >= enough;
}

Task<Result<Epoch>> SimTraffic::publish(lifecycle::SlotView view) {
    struct Busy {
        int& count;

        explicit Busy(int& counter) : count{counter} { ++count; }

        Busy(const Busy&) = delete;
        Busy& operator=(const Busy&) = delete;

        ~Busy() { --count; }
    } const busy{publishing_};

    World& world = life_.world;
    const auto [alive, mishap] = co_await world.reach(life_, "traffic.publish");
    if (!alive) {
        co_return fail(ErrorCode::unavailable, "nova is dead.");
    }
    const bool fails = mishap == Mishap::fails || world.troubled(Act::publish_fails);
    if (fails && world.rng.chance(500)) {
        co_return fail(ErrorCode::unavailable, "The gateway is away.");
    }
    const Epoch epoch{++epoch_.value};
    auto table = std::make_shared<gateway::RoutingTable>();
    table->epoch = epoch;
    table->known_models = view.known_models;
    table->parked = view.parked;
    if (view.open) {
        auto upstream = std::make_shared<gateway::Upstream>();
        upstream->id = view.open->id;
        upstream->endpoint = view.open->endpoint;
        upstream->models = view.open->models;
        upstream->models_known = view.open->models_known;
        table->local = std::move(upstream);
    }
    auto answers = std::make_shared<Answers>(world.io.get_executor());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        tell(i, answers, [table](SimWorker& worker, const std::function<void()>& back) {
            worker.install(table);
            back();
        });
    }
    const bool one = world.schedule.policy.bug == lifecycle::PlantedBug::one_acknowledgement;
    co_await answered(answers, one ? 1 : workers.size(), TimePoint::max());
    co_await world.reach(life_, "traffic.published");
    if (fails || mishap == Mishap::lies) {
        co_return fail(ErrorCode::unavailable, "The gateway is away.");
    }
    co_return epoch;
}

Task<std::size_t> SimTraffic::drained(UpstreamId upstream, Deadline deadline) {
    World& world = life_.world;
    if (const auto crossing = co_await world.reach(life_, "traffic.drained"); !crossing.alive) {
        co_return 0;
    }
    auto answers = std::make_shared<Answers>(world.io.get_executor());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        tell(i, answers, [upstream](SimWorker& worker, const std::function<void()>& back) {
            worker.when_drained(upstream, back);
        });
    }
    if (co_await answered(answers, workers.size(), deadline.at)) {
        co_return 0;
    }
    auto counts = std::make_shared<Answers>(world.io.get_executor());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        tell(i, counts, [upstream, counts](SimWorker& worker, const std::function<void()>& back) {
            counts->sum += worker.inflight(upstream);
            back();
        });
    }
    co_await answered(counts, workers.size(), TimePoint::max());
    if (counts->sum > 0) {
        drain_ended_[upstream] = deadline.at;
    }
    co_return counts->sum;
}

Task<void> SimTraffic::cut(UpstreamId upstream) {
    World& world = life_.world;
    if (const auto crossing = co_await world.reach(life_, "traffic.cut"); !crossing.alive) {
        co_return;
    }
    const auto ended = drain_ended_.find(upstream);
    if (ended == drain_ended_.end() || world.clock.now() < ended->second) {
        world.violated("nothing is cut before the time of its drain ran out");
    }
    auto answers = std::make_shared<Answers>(world.io.get_executor());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        tell(i, answers, [this, upstream](SimWorker& worker, const std::function<void()>& back) {
            worker.cut(upstream);
            used_at = life_.world.clock.now();
            back();
        });
    }
    co_await answered(answers, workers.size(), TimePoint::max());
    co_await world.reach(life_, "traffic.was_cut");
}

lifecycle::TrafficActivity SimTraffic::activity(const UpstreamId& upstream) const {
    std::uint64_t bytes = 0;
    if (life_.world.schedule.evidence == Evidence::bytes) {
        for (const auto& engine : life_.world.engines) {
            if (upstream_of(engine->handle.identity.generation) == upstream) {
                bytes +=
                    static_cast<std::uint64_t>(life_.world.work_of(*engine) / milliseconds{10});
            }
        }
    }
    return {.leases = streams_on(upstream), .bytes = bytes, .requests = 0, .last_use = {}};
}

// ---------------------------------------------------------------- clients

void SimTraffic::open_shop() {
    shop_ = std::make_shared<int>(0);
    for (std::size_t i = 0; i < workers.size(); ++i) {
        client_comes(i);
    }
}

void SimTraffic::close_shop() {
    shop_.reset();
    for (const auto& waiter : waiting_) {
        if (const auto answers = waiter.lock()) {
            answers->bell.ring();
        }
    }
    for (SimWorker& worker : workers) {
        worker.streams.clear();
    }
}

void SimTraffic::client_comes(std::size_t worker) {
    World& world = life_.world;
    const auto pause = std::chrono::duration_cast<milliseconds>(world.schedule.client_pause);
    const auto most = static_cast<std::uint64_t>(2 * pause.count());
    const std::weak_ptr<int> shop = shop_;
    world.after(world.some(1, most), [this, shop, worker] {
        if (!shop.lock()) {
            return;
        }
        if (!life_.world.during(Act::quiet)) {
            client_asks(worker);
        }
        client_comes(worker);
    });
}

void SimTraffic::client_asks(std::size_t worker) {
    const gateway::RoutingTable& table = *workers[worker].table;
    std::string model = "nothing";
    if (table.local && !table.local->models.empty()) {
        model = table.local->models.front();
    } else if (table.parked && !table.known_models.empty()) {
        model = table.known_models.front();
    }
    const gateway::RoutePlan plan = gateway::plan_route(table, model);
    if (!plan.attempts.empty()) {
        admit(worker, *plan.attempts.front().upstream);
    } else if (plan.wake) {
        const std::weak_ptr<int> shop = shop_;
        life_.world.after(life_.world.some(0, 3), [this, shop] {
            if (shop.lock()) {
                life_.wake();
            }
        });
    }
}

void SimTraffic::admit(std::size_t worker, const gateway::Upstream& upstream) {
    World& world = life_.world;
    SimWorker::UpstreamGate* gate = workers[worker].find(upstream.id);
    auto lease = gate == nullptr ? std::nullopt : gate->gate.try_enter();
    if (!lease) {
        return;
    }
    judge_admission(life_, upstream.id);
    ++world.admitted;
    used_at = world.clock.now();
    if (!world.at_address(upstream.endpoint)) {
        return;  // the connection is refused
    }
    const bool forgotten = world.schedule.policy.bug == lifecycle::PlantedBug::lease_not_taken;
    const std::uint64_t number = ++streams_begun_;
    workers[worker].streams.emplace(
        number,
        Stream{
            .upstream = upstream.id,
            .endpoint = upstream.endpoint,
            .lease = forgotten ? std::nullopt : std::move(lease)
        }
    );
    if (world.rng.chance(world.schedule.endless)) {
        return;  // stays until it is cut
    }
    const auto stays = world.rng.chance(100) ? world.some(1000, 60'000) : world.some(1, 3000);
    const std::weak_ptr<int> shop = shop_;
    world.after(stays, [this, shop, worker, number] {
        if (shop.lock()) {
            workers[worker].streams.erase(number);
            used_at = life_.world.clock.now();
        }
    });
}

void SimTraffic::engine_ended(const Endpoint& endpoint) {
    used_at = life_.world.clock.now();
    for (SimWorker& worker : workers) {
        std::erase_if(worker.streams, [&](const auto& stream) {
            return stream.second.endpoint == endpoint;
        });
    }
}

std::size_t SimTraffic::streams_on(const UpstreamId& id) const {
    std::size_t sum = 0;
    for (const SimWorker& worker : workers) {
        sum += worker.streams_on(id);
    }
    return sum;
}

std::size_t SimTraffic::streams() const {
    std::size_t sum = 0;
    for (const SimWorker& worker : workers) {
        sum += worker.streams.size();
    }
    return sum;
}

bool SimTraffic::leases_balance() const {
    return std::ranges::all_of(workers, [](const SimWorker& worker) {
        std::size_t inside = 0;
        for (const auto& gate : worker.gates) {
            inside += gate->gate.inside();
        }
        return inside == worker.streams.size();
    });
}

}  // namespace nova::sim

// One io_context and thread per worker; everything crosses by posted messages.
#include "app/data_plane.hpp"

#include <iterator>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/front_door.hpp"
#include "gateway/metrics_text.hpp"
#include "gateway/request_tap.hpp"

namespace nova::app {
namespace {

// Counts answers of several threads on the control thread; the waiter sleeps until the last.
struct Countdown {
    Countdown(asio::any_io_executor executor, std::size_t count)
        : left{count}, timer{std::move(executor), asio::steady_timer::time_point::max()} {}

    void one() {
        if (--left == 0) {
            timer.cancel();
        }
    }

    std::size_t left;
    asio::steady_timer timer;
};

// Owners are shared with the posted answers: a waiter that was cancelled leaves no dangling timer.
Task<void> wait_for(std::shared_ptr<Countdown> countdown, TimePoint at_most) {
    countdown->timer.expires_at(at_most);
    boost::system::error_code code;
    while (countdown->left > 0) {
        co_await countdown->timer.async_wait(asio::redirect_error(asio::use_awaitable, code));
        if (!code) {
            co_return;  // the deadline
        }
    }
}

}  // namespace

class DataPlane::Events final : public gateway::GatewayEvents {
public:
    Events(
        asio::any_io_executor control, std::function<void(const UpstreamId&)> on_refused,
        std::function<void(const SlotName&)> on_wake, std::function<void(gateway::Reach)> on_missed
    )
        : control_{std::move(control)}, on_refused_{std::move(on_refused)},
          on_wake_{std::move(on_wake)}, on_missed_{std::move(on_missed)} {}

    void connect_refused(const UpstreamId& upstream) override {
        asio::post(control_, [this, upstream] {
            if (on_refused_) {
                on_refused_(upstream);
            }
        });
    }

    void wake(const SlotName& slot) override {
        asio::post(control_, [this, slot] {
            if (on_wake_) {
                on_wake_(slot);
            }
        });
    }

    bool missed(gateway::Reach reach) override {
        if (!on_missed_) {
            return false;
        }
        asio::post(control_, [this, reach] { on_missed_(reach); });
        return true;
    }

private:
    asio::any_io_executor control_;
    std::function<void(const UpstreamId&)> on_refused_;
    std::function<void(const SlotName&)> on_wake_;
    std::function<void(gateway::Reach)> on_missed_;
};

struct DataPlane::Thread {
    // Only its own thread touches the sockets of a worker: their locks would be for nobody.
    asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    asio::executor_work_guard<asio::io_context::executor_type> guard{io.get_executor()};
    std::unique_ptr<gateway::RequestTap> tap;
    std::unique_ptr<gateway::KeyGatekeeper> gatekeeper;
    std::unique_ptr<gateway::FrontDoor> door;
    std::unique_ptr<gateway::Worker> worker;
    std::unique_ptr<TaskGroup> tasks;
    std::jthread thread;
};

DataPlane::DataPlane(asio::any_io_executor control, Clock& clock, Log& log, Options options)
    : control_{std::move(control)}, clock_{clock}, log_{log},
      events_{std::make_unique<Events>(
          control_, std::move(options.on_refused), std::move(options.on_wake),
          std::move(options.on_missed)
      )},
      counters_(options.workers), metrics_{options.workers, clock.wall_now()},
      version_{options.version} {
    NOVA_CHECK(options.workers > 0);
    for (std::size_t i = 0; i < options.workers; ++i) {
        add_worker(options, i);
    }
    for (const net::RouteTable::Entry& route : routes()) {
        metrics_.names.routes.add(route.pattern);
    }
}

void DataPlane::add_worker(const Options& options, std::size_t own) {
    auto thread = std::make_unique<Thread>();
    thread->tap = std::make_unique<gateway::RequestTap>(
        metrics_, own,
        [control = control_, on_ended = options.on_ended] {
            if (on_ended) {
                asio::post(control, on_ended);
            }
        }
    );
    thread->gatekeeper = std::make_unique<gateway::KeyGatekeeper>(keys_, clock_, options.loopback);
    thread->door = std::make_unique<gateway::FrontDoor>(
        options.admission, *thread->gatekeeper, *thread->tap, clock_, options.loopback
    );
    const auto admit = [door = thread->door.get()](
                           const net::RequestHead& head, const net::Peer& peer
                       ) { return door->admit(head, peer); };
    thread->worker = std::make_unique<gateway::Worker>(
        thread->io.get_executor(), clock_, log_, options.policy, admit, *events_, counters_, own,
        gateway::WorkerPorts{
            .gatekeeper = thread->gatekeeper.get(),
            .observer = thread->tap.get(),
            .breakers = &breakers_,
        }
    );
    const gateway::Worker* const worker = thread->worker.get();
    thread->worker->add_route("GET", "/metrics", [this, worker](net::Exchange& exchange) {
        return tell_metrics(exchange, *worker);
    });
    thread->tasks = std::make_unique<TaskGroup>(thread->io.get_executor());
    threads_.push_back(std::move(thread));
}

// On the worker's thread.
Task<void> DataPlane::tell_metrics(net::Exchange& exchange, const gateway::Worker& worker) {
    const auto table = worker.table();
    const std::string text = gateway::metrics_text(
        {.metrics = metrics_,
         .counters = counters_,
         .refused = keys_.refused,
         .table = *table,
         .breakers = breakers_,
         .now = clock_.now(),
         .version = version_}
    );
    ignore(co_await exchange.respond(200, gateway::kPrometheusType, text), "the client is gone");
}

std::string_view DataPlane::circuit(const UpstreamId& upstream) {
    return breakers_.of(upstream.value).state(clock_.now());
}

void DataPlane::forget_failures(const UpstreamId& upstream) {
    breakers_.forget(upstream.value);
}

std::vector<net::RouteTable::Entry> DataPlane::routes() const {
    return threads_.front()->worker->routes();
}

std::vector<gateway::UsageQueue*> DataPlane::usage_queues() {
    std::vector<gateway::UsageQueue*> queues;
    for (const auto& thread : threads_) {
        queues.push_back(&thread->tap->queue());
    }
    return queues;
}

DataPlane::~DataPlane() = default;

Result<Endpoint> DataPlane::listen(const Endpoint& at) {
    Endpoint address = at;
    if (at.port != 0) {
        const auto free = net::probe_bind(at);
        if (!free) {
            return propagate(free);
        }
    }
    for (const auto& thread : threads_) {
        auto bound = thread->worker->listen(address);
        if (!bound) {
            return propagate(bound);
        }
        address = std::move(*bound);
    }
    return address;
}

void DataPlane::start() {
    for (const auto& thread : threads_) {
        thread->tasks->spawn("gateway accept", thread->worker->run());
        thread->thread = std::jthread{[&io = thread->io] { io.run(); }};
    }
}

Task<void> DataPlane::stop_worker(Thread& thread, Deadline deadline) {
    thread.worker->stop();
    co_await thread.worker->finish(deadline);
    thread.tasks->cancel();
    co_await thread.tasks->join();
}

Task<void> DataPlane::stop(Deadline deadline) {
    auto countdown = std::make_shared<Countdown>(control_, threads_.size());
    std::vector<std::unique_ptr<TaskGroup>> groups;
    for (const auto& thread : threads_) {
        groups.push_back(std::make_unique<TaskGroup>(thread->io.get_executor()));
        Thread* const one = thread.get();
        TaskGroup* const group = groups.back().get();
        asio::post(thread->io, [this, one, group, deadline, countdown] {
            auto body = [](DataPlane& plane, Thread& thread_, Deadline until,
                           std::shared_ptr<Countdown> done) -> Task<void> {
                co_await plane.stop_worker(thread_, until);
                asio::post(plane.control_, [done = std::move(done)] { done->one(); });
            };
            group->spawn("gateway stop", body(*this, *one, deadline, countdown));
        });
    }
    co_await wait_for(countdown, TimePoint::max());
    for (const auto& thread : threads_) {
        thread->guard.reset();
        if (thread->thread.joinable()) {
            thread->thread.join();
        }
    }
}

Task<void> DataPlane::on_every_worker(std::function<void(gateway::Worker&)> action) {
    auto countdown = std::make_shared<Countdown>(control_, threads_.size());
    for (const auto& thread : threads_) {
        gateway::Worker* const worker = thread->worker.get();
        asio::post(thread->io, [worker, action, countdown, control = control_] {
            action(*worker);
            asio::post(control, [countdown] { countdown->one(); });
        });
    }
    co_await wait_for(countdown, TimePoint::max());
}

Task<void> DataPlane::install_keys(std::shared_ptr<const gateway::KeyTable> table) {
    auto countdown = std::make_shared<Countdown>(control_, threads_.size());
    for (const auto& thread : threads_) {
        gateway::KeyGatekeeper* const gatekeeper = thread->gatekeeper.get();
        if (!thread->thread.joinable()) {
            gatekeeper->install(table);  // before start(): no request may come by no keys at all
            countdown->one();
            continue;
        }
        asio::post(thread->io, [gatekeeper, table, countdown, control = control_] {
            gatekeeper->install(table);
            asio::post(control, [countdown] { countdown->one(); });
        });
    }
    co_await wait_for(countdown, TimePoint::max());
}

Task<void> DataPlane::publish(std::shared_ptr<const gateway::RoutingTable> table) {
    metrics_.names.learn(*table);
    auto install = [table = std::move(table)](gateway::Worker& worker) { worker.install(table); };
    co_await on_every_worker(std::move(install));
}

Task<void> DataPlane::change_policy(gateway::GatewayPolicy policy) {
    auto change = [policy = std::move(policy)](gateway::Worker& worker) {
        worker.change_policy(policy);
    };
    co_await on_every_worker(std::move(change));
}

Task<std::size_t> DataPlane::drained(UpstreamId upstream, Deadline deadline) {
    auto countdown = std::make_shared<Countdown>(control_, threads_.size());
    for (const auto& thread : threads_) {
        gateway::Worker* const worker = thread->worker.get();
        asio::post(thread->io, [worker, upstream, countdown, control = control_] {
            worker->when_drained(upstream, [countdown, control] {
                asio::post(control, [countdown] { countdown->one(); });
            });
        });
    }
    co_await wait_for(countdown, deadline.at);
    if (countdown->left == 0) {
        co_return 0;
    }
    auto left = std::make_shared<std::atomic<std::size_t>>(0);
    auto count = [left, upstream](gateway::Worker& worker) { *left += worker.inflight(upstream); };
    co_await on_every_worker(std::move(count));
    co_return left->load();
}

Task<void> DataPlane::cut(UpstreamId upstream) {
    auto action = [upstream = std::move(upstream)](gateway::Worker& worker) {
        worker.cut(upstream);
    };
    co_await on_every_worker(std::move(action));
}

Task<std::vector<gateway::RunningRequest>> DataPlane::running_requests() {
    // One list per worker: each is written by its thread alone, and read when all have answered.
    using Lists = std::vector<std::vector<gateway::RunningRequest>>;
    auto lists = std::make_shared<Lists>(threads_.size());
    auto look = [lists, this](gateway::Worker& worker) {
        for (std::size_t i = 0; i < threads_.size(); ++i) {
            if (threads_[i]->worker.get() == &worker) {
                (*lists)[i] = worker.running();
            }
        }
    };
    co_await on_every_worker(std::move(look));
    std::vector<gateway::RunningRequest> all;
    for (auto& list : *lists) {
        all.insert(
            all.end(), std::make_move_iterator(list.begin()), std::make_move_iterator(list.end())
        );
    }
    co_return all;
}

}  // namespace nova::app

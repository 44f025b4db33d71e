// A run is a group of two: the body and its watchdog; whoever is done first ends the other.
#include "lifecycle/lane.hpp"

#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

namespace nova::lifecycle {

// Reports when it is destroyed: a body that is cancelled before it began is dropped without
// running.
class Lane::Report {
public:
    Report(Lane& lane, std::shared_ptr<Run> run, Event otherwise)
        : end{std::move(otherwise)}, lane_{lane}, run_{std::move(run)} {}

    Report(const Report&) = delete;
    Report& operator=(const Report&) = delete;

    ~Report() {
        if (!run_->abandoned) {
            lane_.report_(std::move(end));
        }
    }

    Event end;

private:
    Lane& lane_;
    std::shared_ptr<Run> run_;
};

Lane::Lane(asio::any_io_executor executor, Clock& clock, std::function<void(Event)> report)
    : executor_{std::move(executor)}, clock_{clock}, report_{std::move(report)} {}

void Lane::run(std::string name, Task<Event> body, Event otherwise, Deadline deadline) {
    reap();
    auto run = std::make_shared<Run>();
    run->tasks = std::make_unique<TaskGroup>(executor_);
    runs_.push_back(run);
    if (deadline.at != TimePoint::max()) {
        run->tasks->spawn(name + " watchdog", watch(run, deadline));
    }
    auto report = std::make_unique<Report>(*this, run, std::move(otherwise));
    run->tasks->spawn(std::move(name), guard(run, std::move(body), std::move(report)));
}

void Lane::cancel() {
    if (!runs_.empty()) {
        runs_.back()->tasks->cancel();
    }
}

void Lane::abandon() {
    for (const auto& run : runs_) {
        run->abandoned = true;
        run->tasks->cancel();
    }
}

Task<void> Lane::join() {
    const auto runs = runs_;
    for (const auto& run : runs) {
        co_await run->tasks->join();
    }
    runs_.clear();
}

Task<void> Lane::guard(std::shared_ptr<Run> run, Task<Event> body, std::unique_ptr<Report> report) {
    try {
        report->end = co_await std::move(body);
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted) {
            throw;
        }
    }
    report.reset();
    end_soon(std::move(run));  // the watchdog has nothing left to watch
}

Task<void> Lane::watch(std::shared_ptr<Run> run, Deadline deadline) {
    co_await clock_.sleep_until(deadline.at);
    end_soon(run);
}

// A coroutine that cancels its own group fails in the last await of its spawn: the cancel is
// posted.
void Lane::end_soon(std::shared_ptr<Run> run) {
    asio::post(executor_, [run = std::move(run)] { run->tasks->cancel(); });
}

void Lane::reap() {
    std::erase_if(runs_, [](const auto& run) { return run->tasks->running() == 0; });
}

}  // namespace nova::lifecycle

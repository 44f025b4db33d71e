// One thing at a time, with a deadline, that can be cancelled and always reports its end.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "core/deadline.hpp"
#include "core/task_group.hpp"
#include "lifecycle/backend_event.hpp"

namespace nova::lifecycle {

// Single-threaded. join() before destruction.
class Lane {
public:
    // report is called once per run(), also for one that was cancelled or ran out of time.
    Lane(asio::any_io_executor executor, Clock& clock, std::function<void(Event)> report);

    // otherwise: what is reported when the body is cancelled or the deadline passes.
    void run(std::string name, Task<Event> body, Event otherwise, Deadline deadline);
    void cancel();
    // Cancels without a report: nova is going away.
    void abandon();
    Task<void> join();

private:
    struct Run {
        std::unique_ptr<TaskGroup> tasks;
        bool abandoned = false;
    };

    class Report;
    Task<void> guard(std::shared_ptr<Run> run, Task<Event> body, std::unique_ptr<Report> report);
    Task<void> watch(std::shared_ptr<Run> run, Deadline deadline);
    void end_soon(std::shared_ptr<Run> run);
    void reap();

    asio::any_io_executor executor_;
    Clock& clock_;
    std::function<void(Event)> report_;
    std::list<std::shared_ptr<Run>> runs_;  // the last one is current
};

}  // namespace nova::lifecycle

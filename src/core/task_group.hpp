// Structured concurrency: every coroutine has an owner that can cancel and must join it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/task.hpp"

namespace nova {

// Single-threaded: all members on the executor's thread. The destructor of a group with running
// tasks is a bug and aborts: join() first. An exception other than cancellation that leaves a body
// aborts the program with the task's name; bodies report failures by Result.
class TaskGroup {
public:
    explicit TaskGroup(asio::any_io_executor executor);
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    ~TaskGroup();

    // Posts body to the executor; after cancel() the body is dropped unstarted.
    void spawn(std::string name, Task<void> body);
    // Asks every running body to stop (their awaits throw operation_aborted), and closes the group.
    void cancel();
    // Returns when no body runs any more. May be awaited more than once.
    Task<void> join();

    std::size_t running() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace nova

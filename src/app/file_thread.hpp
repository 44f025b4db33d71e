// The one thread that may block on the disk for long: downloads, hashes, headers of model files.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "core/task.hpp"

namespace nova::app {

// Made, used and destroyed on the control thread.
class FileThread {
public:
    explicit FileThread(asio::any_io_executor control);
    FileThread(const FileThread&) = delete;
    FileThread& operator=(const FileThread&) = delete;
    // leave() first when anything may still run.
    ~FileThread();

    // Of the thread itself: for what lives there.
    asio::any_io_executor executor() const;

    // Runs what work makes on the file thread and returns when it has ended. Cancelled here, it is
    // cancelled there, and this does not wait for that: whatever it refers to has to be shared.
    Task<void> run(std::function<Task<void>()> work);

    // Cancels all that runs and waits for its end.
    Task<void> leave();

private:
    struct Call;
    struct Thread;
    std::unique_ptr<Thread> thread_;
};

}  // namespace nova::app

// Runs a task of a test to its end; tests only.
#pragma once

#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "core/task.hpp"

namespace nova {

// The context may have run before. Fails the test when the task throws or does not end.
inline void run_task(asio::io_context& context, Task<void> task) {
    bool done = false;
    context.restart();
    asio::co_spawn(context, std::move(task), [&done](std::exception_ptr failure) {
        EXPECT_FALSE(failure);
        done = true;
    });
    context.run();
    ASSERT_TRUE(done);
}

}  // namespace nova

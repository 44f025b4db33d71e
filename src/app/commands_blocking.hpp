// Runs one coroutine to its end on the calling thread: commands have nothing else to do meanwhile.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "core/result.hpp"
#include "core/task.hpp"

namespace nova::app {

// make(): called on the executor, returns the Task<T>. What it throws is thrown here.
template <class T, class Make>
T run_blocking(Make make) {
    asio::io_context context{1};
    std::optional<T> result;
    std::exception_ptr failure;
    asio::co_spawn(context, make(), [&](std::exception_ptr thrown, T value) {
        failure = thrown;
        result.emplace(std::move(value));
    });
    context.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    NOVA_CHECK(result.has_value());
    return std::move(*result);
}

}  // namespace nova::app

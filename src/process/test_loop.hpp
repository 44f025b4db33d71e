// An event loop for tests that wait for real processes; tests only.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "core/task.hpp"

namespace nova::process {

class TestLoop {
public:
    explicit TestLoop(std::chrono::seconds patience = std::chrono::seconds{30})
        : patience_{patience} {}

    asio::io_context& context() { return context_; }

    // False when nothing happens for that long.
    bool run_until(const std::function<bool()>& done) {
        while (!done()) {
            context_.restart();
            if (context_.run_one_for(patience_) == 0) {
                return false;
            }
        }
        return true;
    }

    template <class T>
    T await(Task<T> task) {
        std::optional<T> result;
        asio::co_spawn(context_, std::move(task), [&result](std::exception_ptr exception, T value) {
            EXPECT_FALSE(exception);
            result = std::move(value);
        });
        if (!run_until([&result] { return result.has_value(); })) {
            ADD_FAILURE() << "no answer";
            std::abort();  // the coroutine still holds references into this frame
        }
        return *std::move(result);
    }

private:
    asio::io_context context_{1};
    std::chrono::seconds patience_;
};

class TestFolder {
public:
    TestFolder() {
        std::string pattern = testing::TempDir() + "nova-test-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }

    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;

    ~TestFolder() { std::filesystem::remove_all(path_); }

    std::string file(const std::string& name) const { return path_ + "/" + name; }

    std::string text_of(const std::string& name) const {
        std::ifstream stream{file(name), std::ios::binary};
        return {std::istreambuf_iterator<char>{stream}, {}};
    }

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace nova::process

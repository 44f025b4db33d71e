// A BackendControl that remembers wishes and says what the test tells it to.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lifecycle/backend_control.hpp"

namespace nova::recovery {

class FakeBackend final : public lifecycle::BackendControl {
public:
    Task<Result<lifecycle::Accepted>> set_desired(lifecycle::Wish wish) override {
        wishes.push_back(std::move(wish));
        co_return answer;
    }

    Task<Result<void>> cancel(OperationId operation) override {
        cancelled.push_back(operation.value);
        co_return cancel_answer;
    }

    lifecycle::BackendStatus status() const override { return state; }

    Task<Result<std::string>> log_tail(std::size_t) override { co_return log; }

    std::vector<lifecycle::Wish> wishes;
    std::vector<std::string> cancelled;
    Result<lifecycle::Accepted> answer = lifecycle::Accepted{
        .operation = OperationId{"op1"}, .generation = Generation{7}, .already = false
    };
    Result<void> cancel_answer;
    lifecycle::BackendStatus state;
    std::string log;
};

}  // namespace nova::recovery

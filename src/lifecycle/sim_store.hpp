// A store whose connection breaks when a test says so.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/memory_store.hpp"

namespace nova::lifecycle {

// Loses its connection when told to.
class FragileStore final : public store::StateStore {
public:
    Task<Result<store::Committed>> commit(std::vector<store::Write> writes) override {
        if (away) {
            co_return fail(ErrorCode::unavailable, "The store is away.");
        }
        co_return co_await inner_.commit(std::move(writes));
    }

    Task<Result<std::optional<store::Entry>>> get(store::Key key) override {
        return inner_.get(std::move(key));
    }

    Task<Result<std::vector<store::Entry>>> list(std::string prefix) override {
        return inner_.list(std::move(prefix));
    }

    Task<Result<std::vector<store::OperationRow>>> operations(std::size_t limit) override {
        return inner_.operations(limit);
    }

    Task<Result<std::optional<store::OperationRow>>> operation(OperationId id) override {
        if (operation_away) {
            co_return fail(ErrorCode::unavailable, "The store is away.");
        }
        co_return co_await inner_.operation(std::move(id));
    }

    Task<Result<std::vector<store::EventRow>>>
    events_after(std::uint64_t id, std::size_t limit) override {
        return inner_.events_after(id, limit);
    }

    Task<Result<std::size_t>> prune(WallTime before) override { return inner_.prune(before); }

    bool away = false;
    bool operation_away = false;

private:
    store::MemoryStore inner_;
};

}  // namespace nova::lifecycle

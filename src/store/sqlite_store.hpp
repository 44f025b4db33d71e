// The default store: SQLite on a thread of its own, results on the caller's executor.
#pragma once

#include <memory>
#include <string>

#include "store/state_store.hpp"

namespace nova::store {

// Outlives every coroutine that awaits it; its destructor finishes what is queued.
class SqliteStore final : public StateStore {
public:
    // Blocks; called once at the start. Errors: corrupt, unsupported (written by a newer nova),
    // precondition (folder or file not usable). In none of them is the file changed.
    static Result<std::unique_ptr<SqliteStore>> open(const std::string& path);
    ~SqliteStore() override;

    Task<Result<Committed>> commit(std::vector<Write> writes) override;
    Task<Result<std::optional<Entry>>> get(Key key) override;
    Task<Result<std::vector<Entry>>> list(std::string key_prefix) override;
    Task<Result<std::vector<OperationRow>>> operations(std::size_t limit) override;
    Task<Result<std::optional<OperationRow>>> operation(OperationId id) override;
    Task<Result<std::vector<EventRow>>> events_after(std::uint64_t id, std::size_t limit) override;
    Task<Result<std::size_t>> prune(WallTime before) override;

private:
    class Worker;
    explicit SqliteStore(std::unique_ptr<Worker> worker);

    std::unique_ptr<Worker> worker_;
};

}  // namespace nova::store

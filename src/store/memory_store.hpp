// The store of tests and simulations: the same promises as SQLite's, except to survive the process.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "store/state_store.hpp"

namespace nova::store {

// Thread-safe.
class MemoryStore final : public StateStore {
public:
    Task<Result<Committed>> commit(std::vector<Write> writes) override;
    Task<Result<std::optional<Entry>>> get(Key key) override;
    Task<Result<std::vector<Entry>>> list(std::string key_prefix) override;
    Task<Result<std::vector<OperationRow>>> operations(std::size_t limit) override;
    Task<Result<std::optional<OperationRow>>> operation(OperationId id) override;
    Task<Result<std::vector<EventRow>>> events_after(std::uint64_t id, std::size_t limit) override;
    Task<Result<std::size_t>> prune(WallTime before) override;

private:
    // A deleted document keeps its revision, so that an old expectation never fits a new document.
    struct Document {
        std::optional<std::string> json;
        Revision revision;
    };

    using Documents = std::map<std::string, Document>;
    static Result<void> apply(Documents& documents, const Write& write, Committed& committed);
    void apply_to_logs(const Write& write, Committed& committed);

    std::mutex mutex_;
    Documents documents_;
    std::vector<OperationRow> operations_;  // in order of their first write
    std::vector<EventRow> events_;
    std::uint64_t last_event_ = 0;
};

}  // namespace nova::store

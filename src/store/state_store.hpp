// What nova remembers: documents with revisions, operations, and a numbered log of events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/strong.hpp"
#include "core/task.hpp"

namespace nova::store {

using Key = Strong<struct KeyTag>;                           // "slot/local/state"
using Revision = Strong<struct RevisionTag, std::uint64_t>;  // starts at 1, rises with each write

struct Entry {
    Key key;
    std::string json;
    Revision revision;
};

// What a write demands of the document as it is now; anything else is a conflict.
struct Expect {
    enum class Kind : std::uint8_t { any, absent, revision };
    Kind kind = Kind::any;
    Revision revision{};
};

struct PutDocument {
    Key key;
    std::string json;
    Expect expect{};
};

struct DeleteDocument {
    Key key;
    Expect expect{};
};

// Inserts or replaces. finished_at empty: still running.
struct PutOperation {
    OperationId id;
    std::string json;
    WallTime created_at;
    std::optional<WallTime> finished_at;
};

struct AppendEvent {
    std::string type;  // state, operation, gpu, models, audit
    std::string json;
    WallTime at;
};

using Write = std::variant<PutDocument, DeleteDocument, PutOperation, AppendEvent>;

struct Committed {
    std::vector<Revision> revisions;       // of the PutDocuments, in order
    std::vector<std::uint64_t> event_ids;  // of the AppendEvents, in order
};

struct OperationRow {
    OperationId id;
    std::string json;
    WallTime created_at;
    std::optional<WallTime> finished_at;
};

struct EventRow {
    std::uint64_t id;  // rises by one per event, never reused
    std::string type;
    std::string json;
    WallTime at;
};

// SQLite (default) | memory | later Redis; one contract suite. Awaited from any executor; the
// result arrives on the caller's. Errors: conflict (an Expect was not met), unavailable (store
// away), corrupt (damaged), exhausted (disk full).
class StateStore {
public:
    virtual ~StateStore() = default;

    // All or nothing, durable when it returns (decisions.md 2.9).
    virtual Task<Result<Committed>> commit(std::vector<Write> writes) = 0;
    virtual Task<Result<std::optional<Entry>>> get(Key key) = 0;
    virtual Task<Result<std::vector<Entry>>> list(std::string key_prefix) = 0;
    // Newest first.
    virtual Task<Result<std::vector<OperationRow>>> operations(std::size_t limit) = 0;
    virtual Task<Result<std::optional<OperationRow>>> operation(OperationId id) = 0;
    // Events with a greater id, oldest first.
    virtual Task<Result<std::vector<EventRow>>>
    events_after(std::uint64_t id, std::size_t limit) = 0;
    // Deletes operations finished before, and events older than that; returns how many rows went.
    virtual Task<Result<std::size_t>> prune(WallTime before) = 0;
};

}  // namespace nova::store

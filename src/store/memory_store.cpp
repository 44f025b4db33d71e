// Documents are changed in a copy that replaces the old ones when every expectation was met.
#include "store/memory_store.hpp"

#include <algorithm>
#include <utility>

#include "store/expectation.hpp"

namespace nova::store {

Result<void> MemoryStore::apply(Documents& documents, const Write& write, Committed& committed) {
    const auto current_of = [&documents](const Key& key) {
        const auto it = documents.find(key.value);
        return it == documents.end() || !it->second.json ? std::optional<Revision>{}
                                                         : std::optional{it->second.revision};
    };
    if (const auto* put = std::get_if<PutDocument>(&write)) {
        if (auto met = check_expectation(put->key, put->expect, current_of(put->key)); !met) {
            return met;
        }
        Document& document = documents[put->key.value];
        document.json = put->json;
        ++document.revision.value;
        committed.revisions.push_back(document.revision);
    } else if (const auto* gone = std::get_if<DeleteDocument>(&write)) {
        if (auto met = check_expectation(gone->key, gone->expect, current_of(gone->key)); !met) {
            return met;
        }
        if (const auto it = documents.find(gone->key.value); it != documents.end()) {
            it->second.json.reset();
        }
    }
    return {};
}

void MemoryStore::apply_to_logs(const Write& write, Committed& committed) {
    if (const auto* put = std::get_if<PutOperation>(&write)) {
        OperationRow row{put->id, put->json, put->created_at, put->finished_at};
        const auto it = std::ranges::find(operations_, put->id, &OperationRow::id);
        if (it == operations_.end()) {
            operations_.push_back(std::move(row));
        } else {
            *it = std::move(row);
        }
    } else if (const auto* event = std::get_if<AppendEvent>(&write)) {
        events_.push_back({++last_event_, event->type, event->json, event->at});
        committed.event_ids.push_back(last_event_);
    }
}

Task<Result<Committed>> MemoryStore::commit(std::vector<Write> writes) {
    const std::lock_guard lock{mutex_};
    Committed committed;
    Documents documents = documents_;
    for (const Write& write : writes) {
        if (const auto applied = apply(documents, write, committed); !applied) {
            co_return propagate(applied);
        }
    }
    documents_ = std::move(documents);
    for (const Write& write : writes) {
        apply_to_logs(write, committed);
    }
    co_return committed;
}

Task<Result<std::optional<Entry>>> MemoryStore::get(Key key) {
    const std::lock_guard lock{mutex_};
    const auto it = documents_.find(key.value);
    if (it == documents_.end() || !it->second.json) {
        co_return std::optional<Entry>{};
    }
    co_return std::optional{Entry{key, *it->second.json, it->second.revision}};
}

Task<Result<std::vector<Entry>>> MemoryStore::list(std::string key_prefix) {
    const std::lock_guard lock{mutex_};
    std::vector<Entry> entries;
    for (auto it = documents_.lower_bound(key_prefix);
         it != documents_.end() && it->first.starts_with(key_prefix); ++it) {
        if (it->second.json) {
            entries.push_back({Key{it->first}, *it->second.json, it->second.revision});
        }
    }
    co_return entries;
}

Task<Result<std::vector<OperationRow>>> MemoryStore::operations(std::size_t limit) {
    const std::lock_guard lock{mutex_};
    std::vector<const OperationRow*> newest;
    for (const OperationRow& row : operations_) {
        newest.push_back(&row);
    }
    // Of the same time, the one written first is the older: its address is the smaller.
    std::ranges::sort(newest, [](const OperationRow* a, const OperationRow* b) {
        return a->created_at != b->created_at ? a->created_at > b->created_at : a > b;
    });
    std::vector<OperationRow> rows;
    for (const OperationRow* row : newest) {
        if (rows.size() < limit) {
            rows.push_back(*row);
        }
    }
    co_return rows;
}

Task<Result<std::optional<OperationRow>>> MemoryStore::operation(OperationId id) {
    const std::lock_guard lock{mutex_};
    const auto it = std::ranges::find(operations_, id, &OperationRow::id);
    co_return it == operations_.end() ? std::optional<OperationRow>{} : std::optional{*it};
}

Task<Result<std::vector<EventRow>>> MemoryStore::events_after(std::uint64_t id, std::size_t limit) {
    const std::lock_guard lock{mutex_};
    std::vector<EventRow> rows;
    for (const EventRow& row : events_) {
        if (row.id > id && rows.size() < limit) {
            rows.push_back(row);
        }
    }
    co_return rows;
}

Task<Result<std::size_t>> MemoryStore::prune(WallTime before) {
    const std::lock_guard lock{mutex_};
    const std::size_t operations = std::erase_if(operations_, [before](const OperationRow& row) {
        return row.finished_at && *row.finished_at < before;
    });
    const std::size_t events =
        std::erase_if(events_, [before](const EventRow& row) { return row.at < before; });
    co_return operations + events;
}

}  // namespace nova::store

// The state file behind its thread.
#include "store/sqlite_store.hpp"

#include <utility>

#include "store/database_thread.hpp"
#include "store/sqlite_database.hpp"

namespace nova::store {

class SqliteStore::Worker : public DatabaseThread<SqliteDatabase> {
public:
    using DatabaseThread::DatabaseThread;
};

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path) {
    auto database = SqliteDatabase::open(path);
    if (!database) {
        return propagate(database);
    }
    auto worker = std::make_unique<Worker>(std::move(*database));
    return std::unique_ptr<SqliteStore>{new SqliteStore{std::move(worker)}};
}

SqliteStore::SqliteStore(std::unique_ptr<Worker> worker) : worker_{std::move(worker)} {}

SqliteStore::~SqliteStore() = default;

Task<Result<Committed>> SqliteStore::commit(std::vector<Write> writes) {
    return worker_->run([writes = std::move(writes)](SqliteDatabase& database) {
        return database.commit(writes);
    });
}

Task<Result<std::optional<Entry>>> SqliteStore::get(Key key) {
    return worker_->run([key = std::move(key)](SqliteDatabase& database) {
        return database.get(key);
    });
}

Task<Result<std::vector<Entry>>> SqliteStore::list(std::string key_prefix) {
    return worker_->run([key_prefix = std::move(key_prefix)](SqliteDatabase& database) {
        return database.list(key_prefix);
    });
}

Task<Result<std::vector<OperationRow>>> SqliteStore::operations(std::size_t limit) {
    return worker_->run([limit](SqliteDatabase& database) { return database.operations(limit); });
}

Task<Result<std::optional<OperationRow>>> SqliteStore::operation(OperationId id) {
    return worker_->run([id = std::move(id)](SqliteDatabase& database) {
        return database.operation(id);
    });
}

Task<Result<std::vector<EventRow>>> SqliteStore::events_after(std::uint64_t id, std::size_t limit) {
    return worker_->run([id, limit](SqliteDatabase& database) {
        return database.events_after(id, limit);
    });
}

Task<Result<std::size_t>> SqliteStore::prune(WallTime before) {
    return worker_->run([before](SqliteDatabase& database) { return database.prune(before); });
}

}  // namespace nova::store

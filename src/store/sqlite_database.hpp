// The state file itself: blocking calls, one thread, prepared statements only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/state_store.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace nova::store {

// The schema this program writes; user_version of the file.
inline constexpr int kSchemaVersion = 1;

class SqliteDatabase {
public:
    // Opens or creates (0600). A file that is damaged, foreign or newer is left exactly as it is.
    // Errors: corrupt, unsupported (newer), precondition (folder or file not usable).
    static Result<std::unique_ptr<SqliteDatabase>> open(const std::string& path);
    SqliteDatabase(const SqliteDatabase&) = delete;
    SqliteDatabase& operator=(const SqliteDatabase&) = delete;
    ~SqliteDatabase();

    Result<Committed> commit(const std::vector<Write>& writes);
    Result<std::optional<Entry>> get(const Key& key);
    Result<std::vector<Entry>> list(const std::string& key_prefix);
    Result<std::vector<OperationRow>> operations(std::size_t limit);
    Result<std::optional<OperationRow>> operation(const OperationId& id);
    Result<std::vector<EventRow>> events_after(std::uint64_t id, std::size_t limit);
    Result<std::size_t> prune(WallTime before);

private:
    class Statement;

    struct Finalizer {
        void operator()(sqlite3_stmt* statement) const;
    };

    struct Closer {
        void operator()(sqlite3* database) const;
    };

    using Connection = std::unique_ptr<sqlite3, Closer>;

    SqliteDatabase(std::string path, Connection connection);
    Result<void> check();
    Result<void> configure();
    static Result<void> create(const std::string& path);
    static Result<Connection> connect(const std::string& path);

    Result<Statement> prepare(const char* sql);
    Result<void> run(const char* sql);
    // Commits when everything so far went well, else rolls back and returns the first failure.
    Result<void> end_transaction(Result<void> result);
    Result<std::int64_t> number(const char* sql);
    Result<void> apply(const Write& write, Committed& committed);
    Result<void> put(const PutDocument& write, Committed& committed);
    Result<void> remove(const DeleteDocument& write);
    Result<void> put(const PutOperation& write);
    Result<void> append(const AppendEvent& write, Committed& committed);
    Result<std::optional<Revision>> revision_of(const Key& key);
    std::unexpected<Error> failure() const;
    Error damaged(std::string_view finding) const;

    std::string path_;
    Connection connection_;
    std::vector<std::pair<std::string, std::unique_ptr<sqlite3_stmt, Finalizer>>> statements_;
};

}  // namespace nova::store

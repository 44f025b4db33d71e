// SQLite behind values. Every failure is told by its result code once, in failure().
#include "store/sqlite_database.hpp"

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/expectation.hpp"
#include "store/files.hpp"

namespace nova::store {
namespace {

// "nova" in ASCII; tells the state file from any other database (PRAGMA application_id).
constexpr int kApplicationId = 0x6e6f7661;
// Only another program that looks into the file can hold a lock: there is one nova per folder.
constexpr int kBusyTimeoutMs = 5000;

// deleted documents keep key and revision with json NULL: an expectation taken before the deletion
// must not fit a document created after it.
constexpr const char* kSchema[] = {
    "CREATE TABLE doc(key TEXT PRIMARY KEY, json TEXT, revision INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE operation(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
    "json TEXT NOT NULL, created_at INTEGER NOT NULL, finished_at INTEGER)",
    "CREATE INDEX operation_created_at ON operation(created_at)",
    // AUTOINCREMENT: ids are not reused after the newest rows are deleted.
    "CREATE TABLE event(seq INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, "
    "json TEXT NOT NULL, at INTEGER NOT NULL)",
    "CREATE INDEX event_at ON event(at)",
};

std::int64_t to_number(WallTime time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

WallTime to_time(std::int64_t number) {
    return WallTime{std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds{number})
    };
}

std::int64_t to_limit(std::size_t limit) {
    constexpr auto kMost = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
    return static_cast<std::int64_t>(std::min(limit, kMost));
}

ErrorCode code_of(int result) {
    switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ErrorCode::corrupt;
    case SQLITE_FULL:
        return ErrorCode::exhausted;
    default:
        return ErrorCode::unavailable;
    }
}

}  // namespace

// A prepared statement in use: reset when it goes out of scope.
class SqliteDatabase::Statement {
public:
    explicit Statement(sqlite3_stmt* statement) : statement_{statement} {}

    Statement(Statement&& other) noexcept : statement_{std::exchange(other.statement_, nullptr)} {}

    Statement& operator=(Statement&&) = delete;

    ~Statement() {
        if (statement_ != nullptr) {
            sqlite3_reset(statement_);
            sqlite3_clear_bindings(statement_);
        }
    }

    // Texts outlive the statement's use: they are the caller's parameters.
    Statement& bind(const std::string& text) {
        sqlite3_bind_text64(
            statement_, ++bound_, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8
        );
        return *this;
    }

    Statement& bind(std::int64_t number) {
        sqlite3_bind_int64(statement_, ++bound_, number);
        return *this;
    }

    Statement& bind(const std::optional<WallTime>& time) {
        if (time) {
            return bind(to_number(*time));
        }
        sqlite3_bind_null(statement_, ++bound_);
        return *this;
    }

    // SQLITE_ROW, SQLITE_DONE or what went wrong.
    int step() { return sqlite3_step(statement_); }

    std::string text(int column) const {
        const auto* bytes = sqlite3_column_text(statement_, column);
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
        return bytes == nullptr ? std::string{}
                                : std::string{reinterpret_cast<const char*>(bytes), size};
    }

    std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

    std::optional<WallTime> time(int column) const {
        return sqlite3_column_type(statement_, column) == SQLITE_NULL
                   ? std::nullopt
                   : std::optional{to_time(number(column))};
    }

private:
    sqlite3_stmt* statement_;
    int bound_ = 0;
};

void SqliteDatabase::Finalizer::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

void SqliteDatabase::Closer::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
}

SqliteDatabase::SqliteDatabase(std::string path, Connection connection)
    : path_{std::move(path)}, connection_{std::move(connection)} {}

SqliteDatabase::~SqliteDatabase() = default;

Error SqliteDatabase::damaged(std::string_view finding) const {
    return Error{
        .code = ErrorCode::corrupt,
        .message = fmt::format("The state file {} is damaged: {}.", path_, finding),
        .remedy = fmt::format(
            "nova left it as it is: restore a backup over it, or start empty with "
            "mv {} {}.damaged",
            path_, path_
        )
    };
}

std::unexpected<Error> SqliteDatabase::failure() const {
    const int result = sqlite3_extended_errcode(connection_.get());
    const char* text = sqlite3_errmsg(connection_.get());
    const ErrorCode code = code_of(result);
    if (code == ErrorCode::corrupt) {
        return fail(damaged(text));
    }
    if (code == ErrorCode::exhausted) {
        return fail(
            code, fmt::format("The disk of {} is full.", path_), "Make room; nothing was lost."
        );
    }
    return fail(
        code, fmt::format("The state file {} cannot be used: {} ({}).", path_, text, result),
        "Check the disk and who owns the file."
    );
}

Result<SqliteDatabase::Connection> SqliteDatabase::connect(const std::string& path) {
    sqlite3* raw = nullptr;
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    const int result = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    Connection connection{raw};
    if (result != SQLITE_OK) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The state file {} cannot be opened: {}.", path, sqlite3_errstr(result)),
            "Check that it is a plain file and who owns it."
        );
    }
    sqlite3_busy_timeout(connection.get(), kBusyTimeoutMs);
    return connection;
}

// A new file gets its schema under another name first: a file under the final name is complete, so
// an empty one is damage and not a first start.
Result<void> SqliteDatabase::create(const std::string& path) {
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());
    const int file = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The state file {} cannot be created: {}.", path, ::strerror(errno)),
            "Make room and check who owns the folder."
        );
    }
    ::close(file);
    auto connection = connect(fresh);
    if (!connection) {
        return propagate(connection);
    }
    {
        SqliteDatabase database{fresh, std::move(*connection)};
        const std::string version = fmt::format("PRAGMA user_version = {}", kSchemaVersion);
        const std::string application = fmt::format("PRAGMA application_id = {}", kApplicationId);
        std::vector<const char*> steps{"PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"};
        steps.insert(steps.end(), std::begin(kSchema), std::end(kSchema));
        steps.insert(steps.end(), {version.c_str(), application.c_str(), "COMMIT"});
        for (const char* step : steps) {
            if (auto done = database.run(step); !done) {
                return done;
            }
        }
    }
    return rename_durably(fresh, path);
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::string& path) {
    if (::access(path.c_str(), F_OK) != 0) {
        if (const auto created = create(path); !created) {
            return propagate(created);
        }
    }
    auto connection = connect(path);
    if (!connection) {
        return propagate(connection);
    }
    // Closing the last connection would copy the log into the file: not before it is found sound.
    sqlite3_db_config(connection->get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    std::unique_ptr<SqliteDatabase> database{new SqliteDatabase{path, std::move(*connection)}};
    if (const auto sound = database->check(); !sound) {
        return propagate(sound);
    }
    if (const auto configured = database->configure(); !configured) {
        return propagate(configured);
    }
    return database;
}

Result<void> SqliteDatabase::check() {
    struct stat facts{};
    if (::stat(path_.c_str(), &facts) == 0 && facts.st_size == 0) {
        return fail(damaged("it is empty"));
    }
    const auto application = number("PRAGMA application_id");
    if (!application) {
        return propagate(application);
    }
    if (*application != kApplicationId) {
        return fail(damaged("it is not a state file of nova"));
    }
    const auto version = number("PRAGMA user_version");
    if (!version) {
        return propagate(version);
    }
    if (*version > kSchemaVersion) {
        return fail(
            ErrorCode::unsupported,
            fmt::format(
                "The state file {} was written by a newer nova (schema {}, this program knows {}).",
                path_, *version, kSchemaVersion
            ),
            "Start that version, or restore a backup."
        );
    }
    if (*version < 1) {
        return fail(damaged(fmt::format("it says schema {}", *version)));
    }
    auto statement = prepare("PRAGMA quick_check(1)");
    if (!statement) {
        return propagate(statement);
    }
    if (statement->step() != SQLITE_ROW) {
        return failure();
    }
    if (const std::string finding = statement->text(0); finding != "ok") {
        return fail(damaged(finding.substr(finding.rfind('\n') + 1)));  // a heading stands first
    }
    return {};
}

Result<void> SqliteDatabase::configure() {
    ::chmod(path_.c_str(), 0600);  // its journals get the same mode from SQLite
    for (const char* setting : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"}) {
        if (auto done = run(setting); !done) {
            return done;
        }
    }
    sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
    return {};
}

Result<SqliteDatabase::Statement> SqliteDatabase::prepare(const char* sql) {
    for (const auto& [text, statement] : statements_) {
        if (text == sql) {
            return Statement{statement.get()};
        }
    }
    sqlite3_stmt* raw = nullptr;
    const int result =
        sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    if (result != SQLITE_OK) {
        return failure();
    }
    statements_.emplace_back(sql, std::unique_ptr<sqlite3_stmt, Finalizer>{raw});
    return Statement{raw};
}

Result<void> SqliteDatabase::run(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return propagate(statement);
    }
    int result = statement->step();
    while (result == SQLITE_ROW) {
        result = statement->step();
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return {};
}

Result<std::int64_t> SqliteDatabase::number(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return propagate(statement);
    }
    if (statement->step() != SQLITE_ROW) {
        return failure();
    }
    return statement->number(0);
}

Result<void> SqliteDatabase::end_transaction(Result<void> result) {
    if (result) {
        result = run("COMMIT");
    }
    // A full disk may have rolled back by itself already.
    if (!result && sqlite3_get_autocommit(connection_.get()) == 0) {
        ignore(run("ROLLBACK"), "the first failure is the one to tell");
    }
    return result;
}

Result<Committed> SqliteDatabase::commit(const std::vector<Write>& writes) {
    if (const auto begun = run("BEGIN IMMEDIATE"); !begun) {
        return propagate(begun);
    }
    Committed committed;
    Result<void> result;
    for (const Write& write : writes) {
        result = apply(write, committed);
        if (!result) {
            break;
        }
    }
    if (const auto ended = end_transaction(std::move(result)); !ended) {
        return propagate(ended);
    }
    return committed;
}

Result<void> SqliteDatabase::apply(const Write& write, Committed& committed) {
    if (const auto* document = std::get_if<PutDocument>(&write)) {
        return put(*document, committed);
    }
    if (const auto* document = std::get_if<DeleteDocument>(&write)) {
        return remove(*document);
    }
    if (const auto* operation = std::get_if<PutOperation>(&write)) {
        return put(*operation);
    }
    return append(std::get<AppendEvent>(write), committed);
}

Result<std::optional<Revision>> SqliteDatabase::revision_of(const Key& key) {
    auto statement = prepare("SELECT revision FROM doc WHERE key = ?1 AND json IS NOT NULL");
    if (!statement) {
        return propagate(statement);
    }
    const int result = statement->bind(key.value).step();
    if (result == SQLITE_ROW) {
        return Revision{static_cast<std::uint64_t>(statement->number(0))};
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return std::optional<Revision>{};
}

Result<void> SqliteDatabase::put(const PutDocument& write, Committed& committed) {
    const auto current = revision_of(write.key);
    if (!current) {
        return propagate(current);
    }
    if (auto met = check_expectation(write.key, write.expect, *current); !met) {
        return met;
    }
    auto statement = prepare(
        "INSERT INTO doc(key, json, revision) VALUES(?1, ?2, 1) ON CONFLICT(key) DO UPDATE SET "
        "json = excluded.json, revision = revision + 1 RETURNING revision"
    );
    if (!statement) {
        return propagate(statement);
    }
    if (statement->bind(write.key.value).bind(write.json).step() != SQLITE_ROW) {
        return failure();
    }
    committed.revisions.push_back({static_cast<std::uint64_t>(statement->number(0))});
    if (statement->step() != SQLITE_DONE) {
        return failure();
    }
    return {};
}

Result<void> SqliteDatabase::remove(const DeleteDocument& write) {
    const auto current = revision_of(write.key);
    if (!current) {
        return propagate(current);
    }
    if (auto met = check_expectation(write.key, write.expect, *current); !met) {
        return met;
    }
    auto statement = prepare("UPDATE doc SET json = NULL WHERE key = ?1");
    if (!statement) {
        return propagate(statement);
    }
    if (statement->bind(write.key.value).step() != SQLITE_DONE) {
        return failure();
    }
    return {};
}

Result<void> SqliteDatabase::put(const PutOperation& write) {
    auto statement = prepare(
        "INSERT INTO operation(id, json, created_at, finished_at) VALUES(?1, ?2, ?3, ?4) "
        "ON CONFLICT(id) DO UPDATE SET json = excluded.json, created_at = excluded.created_at, "
        "finished_at = excluded.finished_at"
    );
    if (!statement) {
        return propagate(statement);
    }
    statement->bind(write.id.value).bind(write.json).bind(to_number(write.created_at));
    if (statement->bind(write.finished_at).step() != SQLITE_DONE) {
        return failure();
    }
    return {};
}

Result<void> SqliteDatabase::append(const AppendEvent& write, Committed& committed) {
    auto statement = prepare("INSERT INTO event(type, json, at) VALUES(?1, ?2, ?3)");
    if (!statement) {
        return propagate(statement);
    }
    statement->bind(write.type).bind(write.json).bind(to_number(write.at));
    if (statement->step() != SQLITE_DONE) {
        return failure();
    }
    committed.event_ids.push_back(
        static_cast<std::uint64_t>(sqlite3_last_insert_rowid(connection_.get()))
    );
    return {};
}

Result<std::optional<Entry>> SqliteDatabase::get(const Key& key) {
    auto statement = prepare("SELECT json, revision FROM doc WHERE key = ?1 AND json IS NOT NULL");
    if (!statement) {
        return propagate(statement);
    }
    const int result = statement->bind(key.value).step();
    if (result == SQLITE_ROW) {
        return Entry{key, statement->text(0), {static_cast<std::uint64_t>(statement->number(1))}};
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return std::optional<Entry>{};
}

Result<std::vector<Entry>> SqliteDatabase::list(const std::string& key_prefix) {
    auto statement = prepare(
        "SELECT key, json, revision FROM doc WHERE key >= ?1 AND json IS NOT NULL ORDER BY key"
    );
    if (!statement) {
        return propagate(statement);
    }
    statement->bind(key_prefix);
    std::vector<Entry> entries;
    int result = statement->step();
    for (; result == SQLITE_ROW; result = statement->step()) {
        Key key{statement->text(0)};
        if (!key.value.starts_with(key_prefix)) {
            return entries;  // keys are compared byte by byte: those of a prefix lie together
        }
        const auto revision = static_cast<std::uint64_t>(statement->number(2));
        entries.push_back({std::move(key), statement->text(1), {revision}});
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return entries;
}

Result<std::vector<OperationRow>> SqliteDatabase::operations(std::size_t limit) {
    auto statement = prepare("SELECT id, json, created_at, finished_at FROM operation "
                             "ORDER BY created_at DESC, number DESC LIMIT ?1");
    if (!statement) {
        return propagate(statement);
    }
    statement->bind(to_limit(limit));
    std::vector<OperationRow> rows;
    int result = statement->step();
    for (; result == SQLITE_ROW; result = statement->step()) {
        rows.push_back(
            {OperationId{statement->text(0)}, statement->text(1), to_time(statement->number(2)),
             statement->time(3)}
        );
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return rows;
}

Result<std::optional<OperationRow>> SqliteDatabase::operation(const OperationId& id) {
    auto statement = prepare("SELECT json, created_at, finished_at FROM operation WHERE id = ?1");
    if (!statement) {
        return propagate(statement);
    }
    const int result = statement->bind(id.value).step();
    if (result == SQLITE_ROW) {
        return OperationRow{
            id, statement->text(0), to_time(statement->number(1)), statement->time(2)
        };
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return std::optional<OperationRow>{};
}

Result<std::vector<EventRow>> SqliteDatabase::events_after(std::uint64_t id, std::size_t limit) {
    auto statement =
        prepare("SELECT seq, type, json, at FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    if (!statement) {
        return propagate(statement);
    }
    statement->bind(to_limit(id)).bind(to_limit(limit));
    std::vector<EventRow> rows;
    int result = statement->step();
    for (; result == SQLITE_ROW; result = statement->step()) {
        rows.push_back(
            {static_cast<std::uint64_t>(statement->number(0)), statement->text(1),
             statement->text(2), to_time(statement->number(3))}
        );
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return rows;
}

Result<std::size_t> SqliteDatabase::prune(WallTime before) {
    if (const auto begun = run("BEGIN IMMEDIATE"); !begun) {
        return propagate(begun);
    }
    std::size_t rows = 0;
    Result<void> result;
    for (const char* sql :
         {"DELETE FROM operation WHERE finished_at < ?1", "DELETE FROM event WHERE at < ?1"}) {
        auto statement = prepare(sql);
        if (!statement || statement->bind(to_number(before)).step() != SQLITE_DONE) {
            result = failure();
            break;
        }
        rows += static_cast<std::size_t>(sqlite3_changes64(connection_.get()));
    }
    if (const auto ended = end_transaction(std::move(result)); !ended) {
        return propagate(ended);
    }
    return rows;
}

}  // namespace nova::store

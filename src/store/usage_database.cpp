// Rows in, sums out.
#include "store/usage_database.hpp"

#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

namespace nova::store {
namespace {

// "novu" in ASCII (PRAGMA application_id): the ledger is no state file.
constexpr int kApplicationId = 0x6e6f7675;
constexpr int kUsageSchema = 1;
constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 40U;
constexpr int kBusyTimeoutMs = 2000;
constexpr int kMostMoves = 1000;  // microseconds by which a row may be moved on

// The row's number is the moment it ended, in microseconds since 1970, moved on where two would
// be the same: an index of times that costs nothing. The checks refuse what cannot be true, row by
// row.
constexpr const char* kSchema =
    "CREATE TABLE usage(at INTEGER PRIMARY KEY, request_id TEXT NOT NULL, "
    "key_id TEXT NOT NULL, key_name TEXT NOT NULL, operation TEXT NOT NULL, model TEXT NOT NULL, "
    "provider TEXT NOT NULL, upstream_model TEXT NOT NULL, local INTEGER NOT NULL, "
    "prompt INTEGER CHECK(prompt >= 0), completion INTEGER CHECK(completion >= 0), "
    "cached INTEGER CHECK(cached >= 0), counted INTEGER NOT NULL, "
    "duration_ms INTEGER NOT NULL CHECK(duration_ms >= 0), status INTEGER NOT NULL, "
    "ended TEXT NOT NULL, attempts INTEGER NOT NULL, stream INTEGER NOT NULL)";

constexpr const char* kInsert =
    "INSERT INTO usage(at, request_id, key_id, key_name, operation, model, provider, "
    "upstream_model, local, prompt, completion, cached, counted, duration_ms, status, ended, "
    "attempts, stream) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
    "?16, ?17, ?18)";

std::int64_t to_number(WallTime time) {
    return std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch()).count();
}

// Binds in order, from 1.
class Binder {
public:
    explicit Binder(sqlite3_stmt* statement) : statement_{statement} {}

    Binder& text(const std::string& value) {
        sqlite3_bind_text64(
            statement_, ++at_, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8
        );
        return *this;
    }

    Binder& number(std::int64_t value) {
        sqlite3_bind_int64(statement_, ++at_, value);
        return *this;
    }

    // What no request can have becomes negative and is refused by the table's check: one such row
    // would make every sum overflow.
    Binder& tokens(const std::optional<std::uint64_t>& value) {
        if (value) {
            return number(*value <= kMostTokens ? static_cast<std::int64_t>(*value) : -1);
        }
        sqlite3_bind_null(statement_, ++at_);
        return *this;
    }

private:
    sqlite3_stmt* statement_;
    int at_ = 0;
};

std::string text_of(sqlite3_stmt* statement, int column) {
    const auto* bytes = sqlite3_column_text(statement, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    return bytes == nullptr ? std::string{}
                            : std::string{reinterpret_cast<const char*>(bytes), size};
}

std::uint64_t count_of(sqlite3_stmt* statement, int column) {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement, column));
}

std::optional<std::uint64_t> tokens_of(sqlite3_stmt* statement, int column) {
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? std::nullopt
               : std::optional{count_of(statement, column)};
}

std::string_view column_of(UsageGroup group) {
    switch (group) {
    case UsageGroup::none:
        return "''";
    case UsageGroup::model:
        return "model";
    case UsageGroup::provider:
        return "provider";
    case UsageGroup::key:
        return "key_id";
    case UsageGroup::day:
        return "strftime('%Y-%m-%d', at / 1000000, 'unixepoch')";
    }
    return "''";
}

bool is_about_the_row(int result) {
    const int kind = result & 0xff;
    return kind == SQLITE_CONSTRAINT || kind == SQLITE_MISMATCH || kind == SQLITE_TOOBIG;
}

bool is_about_the_number(int result) {
    return result == SQLITE_CONSTRAINT_PRIMARYKEY || result == SQLITE_CONSTRAINT_ROWID;
}

}  // namespace

void UsageDatabase::Finalizer::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

void UsageDatabase::Closer::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
}

UsageDatabase::UsageDatabase(std::string path, std::unique_ptr<sqlite3, Closer> connection)
    : path_{std::move(path)}, connection_{std::move(connection)} {}

UsageDatabase::~UsageDatabase() = default;

std::unexpected<Error> UsageDatabase::failure() const {
    const int result = sqlite3_extended_errcode(connection_.get());
    const int kind = result & 0xff;
    ErrorCode code = ErrorCode::unavailable;
    if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB) {
        code = ErrorCode::corrupt;
    } else if (kind == SQLITE_FULL) {
        code = ErrorCode::exhausted;
    }
    return fail(
        code,
        fmt::format(
            "The usage ledger {} cannot be used: {} ({}).", path_,
            sqlite3_errmsg(connection_.get()), result
        ),
        fmt::format("Check the disk; or begin a new ledger with: mv {} {}.damaged", path_, path_)
    );
}

Result<std::unique_ptr<UsageDatabase>> UsageDatabase::open(const std::string& path) {
    sqlite3* raw = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    const int result = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    std::unique_ptr<sqlite3, Closer> connection{raw};
    if (result != SQLITE_OK) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The usage ledger {} cannot be opened: {}.", path, sqlite3_errstr(result)),
            "Check that it is a plain file and who owns it."
        );
    }
    ::chmod(path.c_str(), 0600);
    sqlite3_busy_timeout(connection.get(), kBusyTimeoutMs);
    std::unique_ptr<UsageDatabase> database{new UsageDatabase{path, std::move(connection)}};
    if (const auto ready = database->prepare_file(); !ready) {
        return propagate(ready);
    }
    return database;
}

Result<void> UsageDatabase::prepare_file() {
    const auto number = [this](const char* sql) -> Result<std::int64_t> {
        const auto statement = prepare(sql);
        if (!statement) {
            return propagate(statement);
        }
        if (sqlite3_step(statement->get()) != SQLITE_ROW) {
            return failure();
        }
        return sqlite3_column_int64(statement->get(), 0);
    };
    const auto version = number("PRAGMA user_version");
    const auto application = version ? number("PRAGMA application_id") : version;
    const auto tables = application ? number("SELECT count(*) FROM sqlite_schema") : application;
    if (!tables) {
        return propagate(tables);
    }
    if (*version > kUsageSchema) {
        return fail(
            ErrorCode::unsupported,
            fmt::format("The usage ledger {} was written by a newer nova.", path_),
            "Start that version, or move the file away."
        );
    }
    if (*tables > 0 && *application != kApplicationId) {
        return fail(
            ErrorCode::corrupt, fmt::format("{} is not a usage ledger of nova.", path_),
            "Move the file away."
        );
    }
    // What is lost with the machine's power is a second of figures: no sync per batch.
    for (const char* setting : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"}) {
        if (auto done = run(setting); !done) {
            return done;
        }
    }
    if (*tables == 0) {
        const std::string version_sql = fmt::format("PRAGMA user_version = {}", kUsageSchema);
        const std::string application_sql =
            fmt::format("PRAGMA application_id = {}", kApplicationId);
        for (const char* step :
             {"BEGIN IMMEDIATE", kSchema, version_sql.c_str(), application_sql.c_str(), "COMMIT"}) {
            if (auto done = run(step); !done) {
                return done;
            }
        }
    }
    auto insert = prepare(kInsert);
    if (!insert) {
        return propagate(insert);
    }
    insert_ = std::move(*insert);
    return {};
}

Result<UsageDatabase::Statement> UsageDatabase::prepare(const std::string& sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(connection_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
        return failure();
    }
    return Statement{raw};
}

Result<void> UsageDatabase::run(const char* sql) {
    if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return failure();
    }
    return {};
}

Result<UsageWritten> UsageDatabase::write(const std::vector<UsageRow>& rows) {
    if (const auto begun = run("BEGIN IMMEDIATE"); !begun) {
        return propagate(begun);
    }
    auto written = insert_all(rows);
    if (written) {
        if (const auto committed = run("COMMIT"); !committed) {
            written = propagate(committed);
        }
    }
    if (!written && sqlite3_get_autocommit(connection_.get()) == 0) {
        ignore(run("ROLLBACK"), "the first failure is the one to tell");
    }
    return written;
}

// A row that the table refuses is left out; it must not take the others with it (trap 103).
Result<UsageWritten> UsageDatabase::insert_all(const std::vector<UsageRow>& rows) {
    UsageWritten written;
    for (const UsageRow& row : rows) {
        std::int64_t at = to_number(row.at);
        Binder{insert_.get()}
            .number(at)
            .text(row.request_id)
            .text(row.key_id)
            .text(row.key_name)
            .text(row.operation)
            .text(row.model)
            .text(row.provider)
            .text(row.upstream_model)
            .number(row.local ? 1 : 0)
            .tokens(row.prompt_tokens)
            .tokens(row.completion_tokens)
            .tokens(row.cached_tokens)
            .number(row.counted ? 1 : 0)
            .number(row.duration_ms)
            .number(row.status)
            .text(row.end)
            .number(row.attempts)
            .number(row.stream ? 1 : 0);
        int result = sqlite3_step(insert_.get());
        for (int more = 0; is_about_the_number(result) && more < kMostMoves; ++more) {
            sqlite3_reset(insert_.get());
            sqlite3_bind_int64(insert_.get(), 1, ++at);
            result = sqlite3_step(insert_.get());
        }
        sqlite3_reset(insert_.get());
        sqlite3_clear_bindings(insert_.get());
        if (result == SQLITE_DONE) {
            ++written.rows;
        } else if (is_about_the_row(result)) {
            ++written.refused;
        } else {
            return failure();
        }
    }
    return written;
}

Result<std::vector<UsageSum>> UsageDatabase::sums(const UsageQuery& query) {
    // total() would turn unknown into 0; sum() over nothing but NULL stays NULL.
    const auto statement = prepare(fmt::format(
        "SELECT {} AS word, max(key_name), count(*), sum(ended <> 'served'), "
        "sum(prompt IS NULL AND completion IS NULL), sum(counted), sum(prompt), sum(completion), "
        "sum(cached), sum(duration_ms) FROM usage WHERE at >= ?1 AND at < ?2 GROUP BY word "
        "ORDER BY {} LIMIT ?3",
        column_of(query.group),
        query.group == UsageGroup::day
            ? "word"
            : "coalesce(sum(prompt), 0) + coalesce(sum(completion), 0) DESC, count(*) DESC, word"
    ));
    if (!statement) {
        return propagate(statement);
    }
    sqlite3_stmt* const row = statement->get();
    Binder{row}
        .number(to_number(query.from))
        .number(to_number(query.to))
        .number(static_cast<std::int64_t>(query.limit));
    std::vector<UsageSum> sums;
    int result = sqlite3_step(row);
    for (; result == SQLITE_ROW; result = sqlite3_step(row)) {
        sums.push_back({
            .group = text_of(row, 0),
            .name = query.group == UsageGroup::key ? text_of(row, 1) : std::string{},
            .requests = count_of(row, 2),
            .not_served = count_of(row, 3),
            .unknown = count_of(row, 4),
            .counted = count_of(row, 5),
            .prompt_tokens = tokens_of(row, 6),
            .completion_tokens = tokens_of(row, 7),
            .cached_tokens = tokens_of(row, 8),
            .duration_ms = count_of(row, 9),
        });
    }
    if (result != SQLITE_DONE) {
        return failure();
    }
    return sums;
}

Result<std::size_t> UsageDatabase::prune(WallTime before) {
    const auto statement = prepare("DELETE FROM usage WHERE at < ?1");
    if (!statement) {
        return propagate(statement);
    }
    Binder{statement->get()}.number(to_number(before));
    if (sqlite3_step(statement->get()) != SQLITE_DONE) {
        return failure();
    }
    return static_cast<std::size_t>(sqlite3_changes64(connection_.get()));
}

}  // namespace nova::store

// The ledger's file: blocking calls, one thread, prepared statements only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/usage_ledger.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace nova::store {

class UsageDatabase {
public:
    static Result<std::unique_ptr<UsageDatabase>> open(const std::string& path);
    UsageDatabase(const UsageDatabase&) = delete;
    UsageDatabase& operator=(const UsageDatabase&) = delete;
    ~UsageDatabase();

    Result<UsageWritten> write(const std::vector<UsageRow>& rows);
    Result<std::vector<UsageSum>> sums(const UsageQuery& query);
    Result<std::size_t> prune(WallTime before);

private:
    struct Finalizer {
        void operator()(sqlite3_stmt* statement) const;
    };

    struct Closer {
        void operator()(sqlite3* database) const;
    };

    using Statement = std::unique_ptr<sqlite3_stmt, Finalizer>;

    UsageDatabase(std::string path, std::unique_ptr<sqlite3, Closer> connection);
    Result<void> prepare_file();
    Result<Statement> prepare(const std::string& sql);
    Result<void> run(const char* sql);
    Result<UsageWritten> insert_all(const std::vector<UsageRow>& rows);
    std::unexpected<Error> failure() const;

    std::string path_;
    std::unique_ptr<sqlite3, Closer> connection_;
    Statement insert_;
};

}  // namespace nova::store

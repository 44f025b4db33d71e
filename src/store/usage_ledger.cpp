// The ledger's file behind its thread.
#include "store/usage_ledger.hpp"

#include <utility>

#include "store/database_thread.hpp"
#include "store/usage_database.hpp"

namespace nova::store {

class UsageLedger::Worker : public DatabaseThread<UsageDatabase> {
public:
    using DatabaseThread::DatabaseThread;
};

Result<std::unique_ptr<UsageLedger>> UsageLedger::open(const std::string& path) {
    auto database = UsageDatabase::open(path);
    if (!database) {
        return propagate(database);
    }
    auto worker = std::make_unique<Worker>(std::move(*database));
    return std::unique_ptr<UsageLedger>{new UsageLedger{std::move(worker)}};
}

UsageLedger::UsageLedger(std::unique_ptr<Worker> worker) : worker_{std::move(worker)} {}

UsageLedger::~UsageLedger() = default;

Task<Result<UsageWritten>> UsageLedger::write(std::vector<UsageRow> rows) {
    return worker_->run([rows = std::move(rows)](UsageDatabase& database) {
        return database.write(rows);
    });
}

Task<Result<std::vector<UsageSum>>> UsageLedger::sums(UsageQuery query) {
    return worker_->run([query](UsageDatabase& database) { return database.sums(query); });
}

Task<Result<std::size_t>> UsageLedger::prune(WallTime before) {
    return worker_->run([before](UsageDatabase& database) { return database.prune(before); });
}

}  // namespace nova::store

// A queue of jobs and one thread that does them in order.
#include "store/sqlite_store.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "store/sqlite_database.hpp"

namespace nova::store {
namespace {

// The control thread awaits one commit at a time; more than this queued means that the disk hangs.
constexpr std::size_t kQueueLimit = 1024;

}  // namespace

class SqliteStore::Worker {
public:
    using Job = std::move_only_function<void(SqliteDatabase&)>;

    explicit Worker(std::unique_ptr<SqliteDatabase> database)
        : database_{std::move(database)}, thread_{[this] { work(); }} {}

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    ~Worker() {
        {
            const std::lock_guard lock{mutex_};
            closing_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

    // Does the call on the store's thread and resumes the caller on its own executor.
    template <class Call>
    auto run(Call call) -> Task<std::invoke_result_t<Call, SqliteDatabase&>> {
        using R = std::invoke_result_t<Call, SqliteDatabase&>;
        const auto executor = co_await asio::this_coro::executor;
        auto start = [this, executor, call = std::move(call)](auto handler) mutable {
            // The caller's event loop must not run dry while its answer is still on its way.
            auto busy = asio::prefer(executor, asio::execution::outstanding_work.tracked);
            auto job = [call = std::move(call), handler = std::move(handler),
                        busy = std::move(busy)](SqliteDatabase& database) mutable {
                asio::post(busy, [handler = std::move(handler), result = call(database)]() mutable {
                    std::move(handler)(std::move(result));
                });
            };
            push(std::move(job));
        };
        if (full()) {
            co_return fail(
                ErrorCode::unavailable, "The state store does not keep up; its disk may hang."
            );
        }
        co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(
            std::move(start), asio::use_awaitable
        );
    }

private:
    bool full() {
        const std::lock_guard lock{mutex_};
        return jobs_.size() >= kQueueLimit;
    }

    void push(Job job) {
        {
            const std::lock_guard lock{mutex_};
            jobs_.push_back(std::move(job));
        }
        changed_.notify_one();
    }

    void work() {
        std::unique_lock lock{mutex_};
        for (;;) {
            changed_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
            if (jobs_.empty()) {
                return;
            }
            Job job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job(*database_);
            lock.lock();
        }
    }

    std::unique_ptr<SqliteDatabase> database_;  // the thread's alone
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    bool closing_ = false;
    std::thread thread_;  // last: everything above exists before it runs
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

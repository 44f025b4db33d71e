// What only a store on disk can get wrong: damage, newer files, crashes, and its thread.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/sqlite_database.hpp"
#include "store/sqlite_store.hpp"

namespace nova::store {
namespace {

class SqliteFile : public testing::Test {
protected:
    SqliteFile() {
        std::string pattern = testing::TempDir() + "nova-sqlite-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        path_ = folder_ + "/nova.db";
    }

    ~SqliteFile() override { std::filesystem::remove_all(folder_); }

    static std::vector<Write> put(const std::string& key, const std::string& json) {
        return {PutDocument{Key{key}, json, {}}};
    }

    std::unique_ptr<SqliteDatabase> open() {
        auto database = SqliteDatabase::open(path_);
        EXPECT_TRUE(database) << database.error().message;
        return database ? std::move(*database) : nullptr;
    }

    // A closed file with enough in it to have pages worth damaging.
    void fill() {
        const auto database = open();
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(database->commit(put("key" + std::to_string(i), std::string(500, 'x'))));
        }
    }

    void execute(const std::string& sql) {
        sqlite3* database = nullptr;
        ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
        sqlite3_close(database);
    }

    std::string bytes() const {
        std::ifstream stream{path_, std::ios::binary};
        return {std::istreambuf_iterator<char>{stream}, {}};
    }

    void write_bytes(const std::string& bytes) const {
        std::ofstream{path_, std::ios::binary | std::ios::trunc} << bytes;
    }

    // Opening fails with this code, the file is named, and it is left as it was.
    Error refused(ErrorCode code) {
        const std::string before = bytes();
        const auto store = SqliteStore::open(path_);
        EXPECT_FALSE(store);
        EXPECT_EQ(bytes(), before);
        if (store) {
            return {};
        }
        EXPECT_EQ(store.error().code, code) << store.error().message;
        EXPECT_NE(store.error().message.find(path_), std::string::npos);
        EXPECT_FALSE(store.error().remedy.empty());
        return store.error();
    }

    std::string folder_;
    std::string path_;
};

TEST_F(SqliteFile, KeepsEverythingWhenItIsOpenedAgain) {
    const WallTime time{std::chrono::seconds{1'700'000'000}};
    {
        const auto database = open();
        database->commit(
            {PutDocument{Key{"a"}, "1", {}}, PutDocument{Key{"gone"}, "1", {}},
             PutOperation{OperationId{"op"}, "{}", time, time}, AppendEvent{"state", "\"e\"", time}}
        );
        database->commit({PutDocument{Key{"a"}, "2", {}}, DeleteDocument{Key{"gone"}, {}}});
        database->prune(time + std::chrono::seconds{1});
    }
    const auto database = open();
    const auto entry = database->get(Key{"a"});
    ASSERT_TRUE(entry && *entry);
    EXPECT_EQ((*entry)->json, "2");
    EXPECT_EQ((*entry)->revision.value, 2U);
    EXPECT_FALSE(*database->get(Key{"gone"}));
    EXPECT_EQ(database->commit(put("gone", "2"))->revisions, std::vector<Revision>{{2}});
    const auto next = database->commit({AppendEvent{"state", "\"f\"", time}});
    EXPECT_EQ(next->event_ids, std::vector<std::uint64_t>{2});
}

TEST_F(SqliteFile, IsForItsUserOnlyWithAllThatLiesBesideIt) {
    const mode_t before = ::umask(0);
    const auto database = open();
    ASSERT_TRUE(database->commit(put("a", "1")));
    ::umask(before);
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator{folder_}) {
        struct stat facts{};
        ASSERT_EQ(::stat(entry.path().c_str(), &facts), 0);
        EXPECT_EQ(facts.st_mode & 0777U, 0600U) << entry.path();
        ++files;
    }
    EXPECT_GE(files, 2);  // the file and its write-ahead log
}

TEST_F(SqliteFile, WritesAheadAndSyncsEveryCommit) {
    const auto database = open();
    ASSERT_TRUE(database->commit(put("a", "1")));
    EXPECT_TRUE(std::filesystem::exists(path_ + "-wal"));
    EXPECT_GT(std::filesystem::file_size(path_ + "-wal"), 0U);
}

TEST_F(SqliteFile, RefusesAFileOfANewerNova) {
    fill();
    execute("PRAGMA user_version = 7");
    const Error error = refused(ErrorCode::unsupported);
    EXPECT_EQ(
        error.message,
        "The state file " + path_ + " was written by a newer nova (schema 7, this program knows 1)."
    );
    EXPECT_NE(error.remedy.find("restore a backup"), std::string::npos);
}

TEST_F(SqliteFile, RefusesAFileThatIsNotADatabase) {
    write_bytes("this is not a database, it is a letter to whoever reads it\n");
    EXPECT_NE(refused(ErrorCode::corrupt).remedy.find("restore a backup"), std::string::npos);
}

TEST_F(SqliteFile, RefusesAnEmptyFile) {
    write_bytes("");
    refused(ErrorCode::corrupt);
}

TEST_F(SqliteFile, RefusesTheDatabaseOfAnotherProgram) {
    execute("CREATE TABLE cookies(name TEXT)");
    refused(ErrorCode::corrupt);
}

TEST_F(SqliteFile, RefusesAFileThatWasCutShort) {
    fill();
    const std::string whole = bytes();
    ASSERT_GT(whole.size(), 40'000U);
    write_bytes(whole.substr(0, whole.size() / 2));
    refused(ErrorCode::corrupt);
}

TEST_F(SqliteFile, RefusesAFileWithOverwrittenPages) {
    fill();
    std::string damaged = bytes();
    for (std::size_t at = 8192; at + 4096 < damaged.size(); at += 8192) {
        damaged.replace(at, 4096, std::string(4096, '\xa5'));
    }
    write_bytes(damaged);
    refused(ErrorCode::corrupt);
}

TEST_F(SqliteFile, LeavesTheLogOfADamagedFileAlone) {
    fill();
    // As after a kill: the file damaged, commits still in the log beside it.
    const std::string sound = bytes();
    {
        const auto database = open();
        ASSERT_TRUE(database->commit(put("late", "1")));
        std::filesystem::copy_file(path_ + "-wal", folder_ + "/saved-wal");
    }
    std::string damaged = sound;
    damaged.replace(4096, sound.size() - 4096 - 4096, std::string(sound.size() - 8192, '\xa5'));
    write_bytes(damaged);
    std::filesystem::rename(folder_ + "/saved-wal", path_ + "-wal");
    const auto log_size = std::filesystem::file_size(path_ + "-wal");
    refused(ErrorCode::corrupt);
    EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), log_size);
}

TEST_F(SqliteFile, SaysThatItsFolderIsMissing) {
    path_ = folder_ + "/none/nova.db";
    const auto store = SqliteStore::open(path_);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, ErrorCode::precondition);
}

TEST_F(SqliteFile, StartsOverWhenItsCreationWasInterrupted) {
    std::ofstream{path_ + ".new"} << "half of a schema";
    EXPECT_TRUE(open()->commit(put("a", "1")));
    EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(SqliteFile, TellsAFullDiskAndGoesOnWithWhatItHas) {
    const auto database = open();
    ASSERT_TRUE(database->commit(put("a", "1")));
    // A limit on file sizes is the portable way to run out of room.
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    auto* const old = ::signal(SIGXFSZ, SIG_IGN);
    rlimit small = before;
    small.rlim_cur = 100'000;
    ::setrlimit(RLIMIT_FSIZE, &small);
    const auto refused = database->commit(
        {PutDocument{Key{"a"}, "2", {}}, PutDocument{Key{"b"}, std::string(500'000, 'x'), {}}}
    );
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, old);
    ASSERT_FALSE(refused);
    EXPECT_FALSE(refused.error().remedy.empty());
    EXPECT_EQ((*database->get(Key{"a"}))->json, "1");
    EXPECT_TRUE(database->commit(put("a", "3")));
    EXPECT_EQ((*database->get(Key{"a"}))->json, "3");
}

// Commits in a loop and writes each acknowledged revision into the pipe.
[[noreturn]] void commit_for_ever(const std::string& path, int pipe) {
    auto database = SqliteDatabase::open(path);
    if (!database) {
        ::_exit(1);
    }
    const WallTime now{std::chrono::seconds{1'700'000'000}};
    for (;;) {
        const auto committed = (*database)->commit(
            {PutDocument{Key{"counter"}, "1", {}}, AppendEvent{"state", std::string(300, 'x'), now}}
        );
        if (!committed) {
            ::_exit(2);
        }
        const std::uint64_t revision = committed->revisions.front().value;
        if (::write(pipe, &revision, sizeof revision) != sizeof revision) {
            ::_exit(3);
        }
    }
}

TEST_F(SqliteFile, HoldsEverythingItAcknowledgedWhenItIsKilledInTheMiddle) {
    std::uint64_t acknowledged = 0;
    for (int round = 0; round < 8; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            commit_for_ever(path_, ends[1]);
        }
        ::close(ends[1]);
        // A different moment in every round, counted in commits.
        std::uint64_t revision = 0;
        for (int i = 0; i < 5 + 17 * round; ++i) {
            ASSERT_EQ(::read(ends[0], &revision, sizeof revision), ssize_t{sizeof revision});
            acknowledged = revision;
        }
        ::kill(child, SIGKILL);
        while (::read(ends[0], &revision, sizeof revision) == ssize_t{sizeof revision}) {
            acknowledged = revision;
        }
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);

        const auto database = open();
        ASSERT_TRUE(database);
        const auto entry = database->get(Key{"counter"});
        ASSERT_TRUE(entry && *entry);
        // At most the one commit that was done but not told any more.
        EXPECT_GE((*entry)->revision.value, acknowledged);
        EXPECT_LE((*entry)->revision.value, acknowledged + 1);
        const auto events = database->events_after(0, 100'000);
        ASSERT_TRUE(events);
        EXPECT_EQ(events->size(), (*entry)->revision.value);  // both or none of each commit
        acknowledged = (*entry)->revision.value;
    }
}

class SqliteThread : public SqliteFile {
protected:
    SqliteThread() {
        auto store = SqliteStore::open(path_);
        EXPECT_TRUE(store);
        store_ = std::move(*store);
    }

    std::unique_ptr<SqliteStore> store_;
    asio::io_context context_{1};
};

TEST_F(SqliteThread, AnswersOnTheExecutorThatAsked) {
    const auto here = std::this_thread::get_id();
    int answered = 0;
    const auto ask = [&](int number) -> Task<void> {
        const auto committed = co_await store_->commit(put("key" + std::to_string(number), "1"));
        EXPECT_TRUE(committed);
        EXPECT_EQ(std::this_thread::get_id(), here);
        ++answered;
    };
    for (int i = 0; i < 50; ++i) {
        asio::co_spawn(context_, ask(i), asio::use_future);
    }
    context_.run();  // does not run dry while answers are on their way
    EXPECT_EQ(answered, 50);
}

TEST_F(SqliteThread, DoesWhatItIsAskedInOrder) {
    std::vector<std::uint64_t> revisions;
    const auto ask = [&]() -> Task<void> {
        const auto committed = co_await store_->commit(put("a", "1"));
        revisions.push_back(committed->revisions.front().value);
    };
    for (int i = 0; i < 20; ++i) {
        asio::co_spawn(context_, ask(), asio::use_future);
    }
    context_.run();
    for (std::size_t i = 0; i < revisions.size(); ++i) {
        EXPECT_EQ(revisions[i], i + 1);
    }
    EXPECT_EQ(revisions.size(), 20U);
}

TEST_F(SqliteThread, LetsExactlyOneOfManyWritersWin) {
    int won = 0;
    int lost = 0;
    const auto ask = [&]() -> Task<void> {
        const Expect absent{.kind = Expect::Kind::absent, .revision = {}};
        std::vector<Write> writes{PutDocument{Key{"a"}, "1", absent}};
        const auto committed = co_await store_->commit(std::move(writes));
        ++(committed ? won : lost);
    };
    for (int i = 0; i < 10; ++i) {
        asio::co_spawn(context_, ask(), asio::use_future);
    }
    context_.run();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, 9);
}

TEST_F(SqliteThread, FinishesWhatIsQueuedBeforeItCloses) {
    for (int i = 0; i < 30; ++i) {
        asio::co_spawn(context_, store_->commit(put("a", "1")), asio::use_future);
    }
    context_.poll();
    store_.reset();
    context_.run();
    EXPECT_EQ((*open()->get(Key{"a"}))->revision.value, 30U);
}

}  // namespace
}  // namespace nova::store

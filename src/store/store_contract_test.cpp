// What every store promises, run against each of them.
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "store/memory_store.hpp"
#include "store/sqlite_store.hpp"

namespace nova::store {
namespace {

using std::chrono::seconds;

struct StoreCase {
    std::string name;
    // In an empty folder.
    std::function<std::unique_ptr<StateStore>(const std::string& folder)> open;

    friend void PrintTo(const StoreCase& store_case, std::ostream* out) { *out << store_case.name; }
};

std::unique_ptr<StateStore> open_sqlite(const std::string& folder) {
    auto store = SqliteStore::open(folder + "/nova.db");
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
}

class StoreContract : public testing::TestWithParam<StoreCase> {
protected:
    StoreContract() {
        std::string pattern = testing::TempDir() + "nova-store-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        store_ = GetParam().open(folder_);
    }

    ~StoreContract() override {
        store_.reset();
        std::filesystem::remove_all(folder_);
    }

    template <class T>
    T await(Task<T> task) {
        auto future = asio::co_spawn(context_, std::move(task), asio::use_future);
        context_.restart();
        context_.run();
        return future.get();
    }

    Result<Committed> commit(std::vector<Write> writes) {
        return await(store_->commit(std::move(writes)));
    }

    std::string text_of(const std::string& key) {
        const auto entry = await(store_->get(Key{key}));
        return entry && *entry ? (*entry)->json : "(none)";
    }

    static WallTime at(int second) { return WallTime{seconds{1'700'000'000 + second}}; }

    static Write put(std::string key, std::string json, Expect expect = {}) {
        return PutDocument{Key{std::move(key)}, std::move(json), expect};
    }

    static Write operation(std::string id, int created, std::optional<WallTime> finished = {}) {
        return PutOperation{OperationId{id}, "{\"id\":\"" + id + "\"}", at(created), finished};
    }

    static Write event(std::string json, int second) {
        return AppendEvent{"state", std::move(json), at(second)};
    }

    static Expect absent() { return {.kind = Expect::Kind::absent, .revision = {}}; }

    static Expect revision(std::uint64_t number) {
        return {.kind = Expect::Kind::revision, .revision = {number}};
    }

    std::string folder_;
    asio::io_context context_{1};
    std::unique_ptr<StateStore> store_;
};

TEST_P(StoreContract, ReturnsADocumentAsItWasPut) {
    const std::string json = "{\"text\":\"\u00fcber \\u0000 \\\"'; DROP TABLE doc; --\"}";
    const auto committed = commit({put("slot/local/state", json)});
    ASSERT_TRUE(committed);
    EXPECT_EQ(committed->revisions, std::vector<Revision>{{1}});

    const auto entry = await(store_->get(Key{"slot/local/state"}));
    ASSERT_TRUE(entry && *entry);
    EXPECT_EQ((*entry)->key.value, "slot/local/state");
    EXPECT_EQ((*entry)->json, json);
    EXPECT_EQ((*entry)->revision.value, 1U);
}

TEST_P(StoreContract, SaysNothingForADocumentThatIsNotThere) {
    const auto entry = await(store_->get(Key{"nowhere"}));
    ASSERT_TRUE(entry);
    EXPECT_FALSE(*entry);
}

TEST_P(StoreContract, RaisesTheRevisionWithEveryWrite) {
    commit({put("a", "1")});
    commit({put("b", "1")});
    const auto committed = commit({put("a", "2"), put("a", "3")});
    ASSERT_TRUE(committed);
    EXPECT_EQ(committed->revisions, (std::vector<Revision>{{2}, {3}}));
    EXPECT_EQ(text_of("a"), "3");
}

TEST_P(StoreContract, RefusesAWriteThatExpectsAnotherRevision) {
    commit({put("a", "1")});
    ASSERT_TRUE(commit({put("a", "2", revision(1))}));
    const auto stale = commit({put("a", "3", revision(1))});
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().code, ErrorCode::conflict);
    EXPECT_EQ(text_of("a"), "2");

    EXPECT_EQ(commit({put("a", "3", absent())}).error().code, ErrorCode::conflict);
    EXPECT_EQ(commit({put("b", "3", revision(1))}).error().code, ErrorCode::conflict);
    EXPECT_TRUE(commit({put("b", "3", absent())}));
}

TEST_P(StoreContract, WritesNothingAtAllOnAConflict) {
    commit({put("a", "1"), put("gone", "1")});
    const auto refused = commit(
        {put("a", "2"), DeleteDocument{Key{"gone"}, {}}, operation("op", 1), event("{}", 1),
         put("a", "3", revision(1))}
    );
    ASSERT_FALSE(refused);
    EXPECT_EQ(text_of("a"), "1");
    EXPECT_EQ(text_of("gone"), "1");
    EXPECT_TRUE(await(store_->operations(10))->empty());
    EXPECT_TRUE(await(store_->events_after(0, 10))->empty());
    // Nor does it leave a number used up or a transaction open.
    const auto next = commit({put("a", "2", revision(1)), event("{}", 1)});
    ASSERT_TRUE(next);
    EXPECT_EQ(next->event_ids, std::vector<std::uint64_t>{1});
}

TEST_P(StoreContract, WritesAllKindsInOneCommit) {
    const auto committed = commit(
        {put("a", "1", absent()), operation("op", 1), event("\"first\"", 1), put("b", "2"),
         event("\"second\"", 2)}
    );
    ASSERT_TRUE(committed);
    EXPECT_EQ(committed->revisions, (std::vector<Revision>{{1}, {1}}));
    EXPECT_EQ(committed->event_ids, (std::vector<std::uint64_t>{1, 2}));
    const auto events = await(store_->events_after(0, 10));
    ASSERT_EQ(events->size(), 2U);
    EXPECT_EQ((*events)[1].json, "\"second\"");
    EXPECT_EQ((*events)[1].type, "state");
    EXPECT_EQ((*events)[1].at, at(2));
}

TEST_P(StoreContract, DeletesDocuments) {
    commit({put("a", "1")});
    EXPECT_EQ(commit({DeleteDocument{Key{"a"}, revision(7)}}).error().code, ErrorCode::conflict);
    ASSERT_TRUE(commit({DeleteDocument{Key{"a"}, revision(1)}}));
    EXPECT_EQ(text_of("a"), "(none)");
    EXPECT_TRUE(await(store_->list(""))->empty());
    // What is not there may be deleted again, unless a revision is expected.
    EXPECT_TRUE(commit({DeleteDocument{Key{"a"}, {}}, DeleteDocument{Key{"never"}, {}}}));
    EXPECT_EQ(commit({DeleteDocument{Key{"a"}, revision(1)}}).error().code, ErrorCode::conflict);
}

TEST_P(StoreContract, AnExpectationFromBeforeADeletionNeverFitsTheNewDocument) {
    commit({put("a", "old")});
    commit({DeleteDocument{Key{"a"}, {}}});
    ASSERT_TRUE(commit({put("a", "new", absent())}));
    EXPECT_EQ(commit({put("a", "stale", revision(1))}).error().code, ErrorCode::conflict);
    EXPECT_EQ(text_of("a"), "new");
}

TEST_P(StoreContract, ListsByPrefixInOrderOfTheKeys) {
    commit({put("slot/b", "2"), put("slot/a", "1"), put("slo", "x"), put("slot0", "y")});
    commit({put("slot/%", "3"), put("SLOT/c", "z")});
    const auto entries = await(store_->list("slot/"));
    ASSERT_TRUE(entries);
    std::string keys;
    for (const Entry& entry : *entries) {
        keys += entry.key.value + "=" + entry.json + " ";
    }
    EXPECT_EQ(keys, "slot/%=3 slot/a=1 slot/b=2 ");
    EXPECT_EQ(await(store_->list(""))->size(), 6U);
    EXPECT_TRUE(await(store_->list("zzz"))->empty());
}

TEST_P(StoreContract, ListsOperationsNewestFirstAndReplacesThem) {
    commit({operation("old", 1), operation("new", 3), operation("middle", 2)});
    commit({operation("also-middle", 2)});
    commit({PutOperation{OperationId{"old"}, "\"done\"", at(1), at(9)}});
    const auto rows = await(store_->operations(3));
    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 3U);
    EXPECT_EQ((*rows)[0].id.value, "new");
    EXPECT_EQ((*rows)[1].id.value, "also-middle");
    EXPECT_EQ((*rows)[2].id.value, "middle");
    EXPECT_FALSE((*rows)[0].finished_at);

    const auto old = await(store_->operation(OperationId{"old"}));
    ASSERT_TRUE(old && *old);
    EXPECT_EQ((*old)->json, "\"done\"");
    EXPECT_EQ((*old)->created_at, at(1));
    EXPECT_EQ((*old)->finished_at, at(9));
    EXPECT_FALSE(*await(store_->operation(OperationId{"nowhere"})));
}

TEST_P(StoreContract, GivesTheEventsAfterANumberUpToALimit) {
    for (int i = 1; i <= 5; ++i) {
        commit({event(std::to_string(i), i)});
    }
    const auto events = await(store_->events_after(2, 2));
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 2U);
    EXPECT_EQ((*events)[0].id, 3U);
    EXPECT_EQ((*events)[1].id, 4U);
    EXPECT_TRUE(await(store_->events_after(5, 10))->empty());
}

TEST_P(StoreContract, PrunesWhatIsOldAndNeverReusesAnEventNumber) {
    commit({event("1", 1), event("2", 2), operation("running", 1), operation("done", 1, at(2))});
    commit({operation("recent", 1, at(8))});
    const auto pruned = await(store_->prune(at(5)));
    ASSERT_TRUE(pruned);
    EXPECT_EQ(*pruned, 3U);
    EXPECT_TRUE(await(store_->events_after(0, 10))->empty());
    EXPECT_TRUE(*await(store_->operation(OperationId{"running"})));
    EXPECT_TRUE(*await(store_->operation(OperationId{"recent"})));
    EXPECT_FALSE(*await(store_->operation(OperationId{"done"})));
    EXPECT_EQ(commit({event("3", 9)})->event_ids, std::vector<std::uint64_t>{3});
}

TEST_P(StoreContract, KeepsTimesToTheNanosecond) {
    const WallTime time = at(0) + std::chrono::nanoseconds{123'456'789};
    commit({AppendEvent{"audit", "{}", time}});
    EXPECT_EQ((*await(store_->events_after(0, 1)))[0].at, time);
}

TEST_P(StoreContract, TakesAMegabyteAndAnEmptyCommit) {
    const std::string json = "\"" + std::string(std::size_t{1} << 20U, 'x') + "\"";
    ASSERT_TRUE(commit({put("big", json)}));
    EXPECT_EQ(text_of("big"), json);
    EXPECT_TRUE(commit({}));
}

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreContract,
    testing::Values(
        StoreCase{
            .name = "Memory",
            .open = [](const std::string&) { return std::make_unique<MemoryStore>(); }
        },
        StoreCase{.name = "Sqlite", .open = open_sqlite}
    ),
    [](const auto& case_info) { return case_info.param.name; }
);

}  // namespace
}  // namespace nova::store

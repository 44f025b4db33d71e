#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "store/sqlite_database.hpp"
#include "store/usage_database.hpp"
#include "store/usage_ledger.hpp"

namespace nova::store {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kMonday{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23}};

class UsageLedgerTest : public testing::Test {
protected:
    UsageLedgerTest() {
        std::string pattern = testing::TempDir() + "nova-usage-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        path_ = folder_ + "/usage.db";
    }

    ~UsageLedgerTest() override { std::filesystem::remove_all(folder_); }

    std::unique_ptr<UsageDatabase> open() const {
        auto database = UsageDatabase::open(path_);
        EXPECT_TRUE(database) << database.error().message;
        return database ? std::move(*database) : nullptr;
    }

    static UsageRow
    row(std::string model, std::optional<std::uint64_t> prompt,
        std::optional<std::uint64_t> completion, WallTime at = kMonday) {
        UsageRow row;
        row.at = at;
        row.model = std::move(model);
        row.provider = "llamacpp";
        row.key_id = "k1";
        row.key_name = "laptop";
        row.prompt_tokens = prompt;
        row.completion_tokens = completion;
        row.end = "served";
        row.duration_ms = 100;
        return row;
    }

    static UsageQuery all(UsageGroup group) {
        return {.from = kMonday - 100 * 24h, .to = kMonday + 100 * 24h, .group = group};
    }

    std::string folder_;
    std::string path_;
};

TEST_F(UsageLedgerTest, SumsByModelMostTokensFirst) {
    const auto database = open();
    const auto written =
        database->write({row("small", 1, 2), row("large", 100, 200), row("small", 10, 20)});
    ASSERT_TRUE(written);
    EXPECT_EQ(written->rows, 3U);
    const auto sums = database->sums(all(UsageGroup::model));
    ASSERT_TRUE(sums);
    ASSERT_EQ(sums->size(), 2U);
    EXPECT_EQ(sums->at(0).group, "large");
    EXPECT_EQ(sums->at(1).group, "small");
    EXPECT_EQ(sums->at(1).requests, 2U);
    EXPECT_EQ(sums->at(1).prompt_tokens, 11U);
    EXPECT_EQ(sums->at(1).completion_tokens, 22U);
    EXPECT_EQ(sums->at(1).duration_ms, 200U);
}

TEST_F(UsageLedgerTest, UnknownTokensAreUnknownAndNotNull) {
    const auto database = open();
    ASSERT_TRUE(database->write({row("mute", {}, {}), row("half", 5, {})}));
    const auto sums = *database->sums(all(UsageGroup::model));
    ASSERT_EQ(sums.size(), 2U);
    EXPECT_EQ(sums[0].prompt_tokens, 5U);
    EXPECT_FALSE(sums[0].completion_tokens);
    EXPECT_EQ(sums[0].unknown, 0U);
    EXPECT_FALSE(sums[1].prompt_tokens);
    EXPECT_EQ(sums[1].unknown, 1U);
}

TEST_F(UsageLedgerTest, GroupsByKeyProviderAndDay) {
    const auto database = open();
    UsageRow other = row("m", 1, 1, kMonday + 24h);
    other.key_id = "";
    other.key_name = "";
    other.provider = "openai";
    other.end = "client_left";
    other.counted = true;
    ASSERT_TRUE(database->write({row("m", 5, 5), other, row("m", 1, 1, kMonday + 24h - 1ms)}));
    const auto keys = *database->sums(all(UsageGroup::key));
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_EQ(keys[0].group, "k1");
    EXPECT_EQ(keys[0].name, "laptop");
    EXPECT_EQ(keys[1].group, "");
    EXPECT_EQ(keys[1].not_served, 1U);
    EXPECT_EQ(keys[1].counted, 1U);
    EXPECT_EQ(database->sums(all(UsageGroup::provider))->size(), 2U);
    const auto days = *database->sums(all(UsageGroup::day));
    ASSERT_EQ(days.size(), 2U);
    EXPECT_EQ(days[0].group, "2026-11-23");
    EXPECT_EQ(days[0].requests, 2U);
    EXPECT_EQ(days[1].group, "2026-11-24");
    const auto whole = *database->sums(all(UsageGroup::none));
    ASSERT_EQ(whole.size(), 1U);
    EXPECT_EQ(whole[0].requests, 3U);
}

TEST_F(UsageLedgerTest, TakesTheTimeItIsAskedFor) {
    const auto database = open();
    ASSERT_TRUE(database->write(
        {row("m", 1, 1, kMonday - 1ms), row("m", 2, 2), row("m", 4, 4, kMonday + 1h)}
    ));
    const auto sums =
        *database->sums({.from = kMonday, .to = kMonday + 1h, .group = UsageGroup::model});
    ASSERT_EQ(sums.size(), 1U);
    EXPECT_EQ(sums[0].prompt_tokens, 2U);
}

TEST_F(UsageLedgerTest, KeepsRowsOfTheSameMomentApart) {
    const auto database = open();
    const auto written = database->write(std::vector<UsageRow>(300, row("m", 1, 1)));
    ASSERT_TRUE(written);
    EXPECT_EQ(written->rows, 300U);
    EXPECT_EQ(database->sums(all(UsageGroup::day))->front().requests, 300U);
}

// Trap 103.
TEST_F(UsageLedgerTest, ABadRowDoesNotTakeItsBatchWithIt) {
    const auto database = open();
    const auto written = database->write(
        {row("good", 1, 1), row("bad", UINT64_MAX, 1), row("bad", INT64_MAX, 1), row("good", 1, 1)}
    );
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(written->rows, 2U);
    EXPECT_EQ(written->refused, 2U);
    const auto sums = *database->sums(all(UsageGroup::model));
    ASSERT_EQ(sums.size(), 1U);
    EXPECT_EQ(sums[0].requests, 2U);
}

TEST_F(UsageLedgerTest, KeepsHostileNamesAsTheyAre) {
    const auto database = open();
    const std::string hostile = "'); DROP TABLE usage; --\xff\n";
    ASSERT_TRUE(database->write({row(hostile, 1, 1)}));
    const auto sums = *database->sums(all(UsageGroup::model));
    ASSERT_EQ(sums.size(), 1U);
    EXPECT_EQ(sums[0].group, hostile);
}

TEST_F(UsageLedgerTest, ForgetsWhatIsOld) {
    const auto database = open();
    ASSERT_TRUE(database->write({row("old", 1, 1, kMonday - 10 * 24h), row("new", 1, 1)}));
    EXPECT_EQ(database->prune(kMonday), 1U);
    const auto sums = *database->sums(all(UsageGroup::model));
    ASSERT_EQ(sums.size(), 1U);
    EXPECT_EQ(sums[0].group, "new");
}

TEST_F(UsageLedgerTest, IsThereAgainAfterARestartAndForItsOwnerOnly) {
    ASSERT_TRUE(open()->write({row("m", 1, 1)}));
    EXPECT_EQ(open()->sums(all(UsageGroup::model))->size(), 1U);
    struct stat facts{};
    ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(UsageLedgerTest, LeavesAStrangersFileAlone) {
    {
        ASSERT_TRUE(SqliteDatabase::open(path_));
    }
    const auto state = UsageDatabase::open(path_);
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code, ErrorCode::corrupt);
    std::filesystem::remove(path_);
    const std::string text(5000, 'x');
    std::ofstream{path_} << text;
    const auto damaged = UsageDatabase::open(path_);
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().code, ErrorCode::corrupt);
    std::ifstream file{path_};
    EXPECT_EQ((std::string{std::istreambuf_iterator<char>{file}, {}}), text);
}

TEST_F(UsageLedgerTest, WritesOnItsOwnThread) {
    auto ledger = UsageLedger::open(path_);
    ASSERT_TRUE(ledger);
    asio::io_context context;
    std::uint64_t requests = 0;
    auto body = [&]() -> Task<void> {
        std::vector<UsageRow> rows(100, row("m", 1, 1));
        const auto written = co_await (*ledger)->write(std::move(rows));
        EXPECT_TRUE(written);
        const auto sums = co_await (*ledger)->sums(all(UsageGroup::none));
        requests = sums && !sums->empty() ? sums->front().requests : 0;
    };
    asio::co_spawn(context, body, [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
    context.run();
    EXPECT_EQ(requests, 100U);
}

}  // namespace
}  // namespace nova::store

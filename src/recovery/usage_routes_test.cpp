#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recovery/routes_fixture.hpp"
#include "recovery/usage_routes.hpp"

namespace nova::recovery {
namespace {

using namespace std::chrono_literals;

class UsageRoutesTest : public RoutesFixture {
protected:
    UsageRoutesTest() {
        std::string pattern = testing::TempDir() + "nova-usage-routes-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        ledger_ = *store::UsageLedger::open(folder_ + "/usage.db");
        parts_.ledger = ledger_.get();
        add_usage_routes(table_, parts_);
    }

    ~UsageRoutesTest() override {
        ledger_.reset();
        std::filesystem::remove_all(folder_);
    }

    FakeExchange& get(const std::string& target, std::string_view secret = kSecret) {
        return call("GET", target, {}, secret);
    }

    void write(store::UsageRow row) {
        run([](store::UsageLedger& ledger, store::UsageRow one) -> Task<void> {
            std::vector<store::UsageRow> rows{std::move(one)};
            EXPECT_TRUE(co_await ledger.write(std::move(rows)));
        }(*ledger_, std::move(row)));
    }

    store::UsageRow row() const {
        store::UsageRow row;
        row.at = clock_.wall_now() - 1h;
        row.model = "small";
        row.provider = "llamacpp";
        row.key_id = "k1";
        row.key_name = "laptop";
        row.end = "served";
        row.prompt_tokens = 10;
        return row;
    }

    static Json json_of(const FakeExchange& exchange) { return Json::parse(exchange.sent); }

    std::string folder_;
    std::unique_ptr<store::UsageLedger> ledger_;
    std::vector<RunningRequest> running_;
    UsageParts parts_{
        .auth = auth_,
        .clock = clock_,
        .ledger = nullptr,
        .running = [this]() -> Task<std::vector<RunningRequest>> { co_return running_; },
    };
};

TEST_F(UsageRoutesTest, SumUpTheLastThirtyDaysByModel) {
    write(row());
    store::UsageRow old = row();
    old.at = clock_.wall_now() - 31 * 24h;
    write(old);
    const Json body = json_of(get("/usage"));
    EXPECT_EQ(body["group_by"], "model");
    ASSERT_EQ(body["rows"].size(), 1U);
    const Json& sum = body["rows"][0];
    EXPECT_EQ(sum["model"], "small");
    EXPECT_EQ(sum["requests"], 1);
    EXPECT_EQ(sum["prompt_tokens"], 10);
    EXPECT_FALSE(sum.contains("completion_tokens")) << "unknown is left out, not 0";
    EXPECT_EQ(body["total"]["requests"], 1);
    EXPECT_EQ(json_of(get("/usage?from=1971-01-01"))["total"]["requests"], 2);
}

TEST_F(UsageRoutesTest, NameTheKeyBesideItsId) {
    write(row());
    store::UsageRow nobody = row();
    nobody.key_id = "";
    nobody.key_name = "";
    nobody.prompt_tokens = 1;
    write(nobody);
    const Json rows = json_of(get("/usage?group_by=key"))["rows"];
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0]["key"], "k1");
    EXPECT_EQ(rows[0]["key_name"], "laptop");
    EXPECT_EQ(rows[1]["key"], "");
    EXPECT_FALSE(rows[1].contains("key_name"));
}

TEST_F(UsageRoutesTest, AreEmptyWithoutRows) {
    const Json body = json_of(get("/usage?group_by=day"));
    EXPECT_EQ(body["rows"], Json::array());
    EXPECT_EQ(body["total"]["requests"], 0);
}

TEST_F(UsageRoutesTest, RefuseWhatIsNoTimeAndNoGroup) {
    for (const char* query : {"?from=x", "?to=2026-13-01", "?group_by=user", "?group_by="}) {
        EXPECT_EQ(get(std::string{"/usage"} + query).status, 400) << query;
    }
    EXPECT_EQ(get("/usage", "wrong").status, 401);
    EXPECT_EQ(get("/inference/requests", "wrong").status, 401);
}

TEST_F(UsageRoutesTest, SayThatThereIsNoLedger) {
    parts_.ledger = nullptr;
    const auto& exchange = get("/usage");
    EXPECT_EQ(exchange.status, 503);
    EXPECT_EQ(json_of(exchange)["code"], "no_ledger");
}

TEST_F(UsageRoutesTest, ListWhatRunsOldestFirst) {
    const WallTime now = clock_.wall_now();
    running_ = {
        {.id = "new",
         .route = "/v1/chat/completions",
         .model = "m",
         .provider = "llamacpp",
         .key_id = "k1",
         .key_name = "laptop",
         .phase = "answering",
         .since = now,
         .bytes = 7},
        {.id = "old",
         .route = "/v1/chat/completions",
         .model = "m",
         .provider = "",
         .key_id = "",
         .key_name = "",
         .phase = "waiting",
         .since = now - 5s,
         .bytes = 0},
    };
    const Json rows = json_of(get("/inference/requests"))["requests"];
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0]["id"], "old");
    EXPECT_FALSE(rows[0].contains("provider"));
    EXPECT_FALSE(rows[0].contains("key"));
    EXPECT_EQ(rows[1]["key_name"], "laptop");
    EXPECT_EQ(rows[1]["bytes"], 7);
}

}  // namespace
}  // namespace nova::recovery

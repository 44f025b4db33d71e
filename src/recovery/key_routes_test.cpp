#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recovery/key_routes.hpp"
#include "recovery/routes_fixture.hpp"
#include "store/memory_store.hpp"

namespace nova::recovery {
namespace {

class KeyRoutesTest : public RoutesFixture {
protected:
    KeyRoutesTest() { add_key_routes(table_, auth_, book_, clock_); }

    void load(KeyBook& book, std::vector<std::string>& passed_over) {
        run([](KeyBook& one, std::vector<std::string>& into) -> Task<void> {
            auto loaded = co_await one.load();
            EXPECT_TRUE(loaded);
            into = loaded.value_or(std::vector<std::string>{});
        }(book, passed_over));
    }

    KeyBook::Parts parts() {
        return {
            .store = store_,
            .feed = feed_,
            .clock = clock_,
            .mint =
                [this] {
                    const std::string id = "id" + std::to_string(++minted_);
                    return MintedKey{
                        .id = id,
                        .hash = std::string(64, 'a'),
                        .text = Secret{"nova_" + id + "_secret"},
                    };
                },
            .publish = [this](const std::vector<KeyRecord>& keys) -> Task<void> {
                published_.clear();
                for (const KeyRecord& key : keys) {
                    published_.push_back(key.id);
                }
                co_return;
            },
        };
    }

    static Json json_of(const FakeExchange& exchange) { return Json::parse(exchange.sent); }

    store::MemoryStore store_;
    lifecycle::EventFeed feed_;
    int minted_ = 0;
    std::vector<std::string> published_;
    KeyBook book_{parts()};
};

TEST_F(KeyRoutesTest, TellAKeyOnceAndItsFactsAlways) {
    const auto& made = call(
        "POST", "/keys",
        R"({"name":"laptop","models":["llama*"],"never_cloud":true,"requests_per_minute":60,
            "expires_in_s":60})"
    );
    EXPECT_EQ(made.status, 201);
    Json created = json_of(made);
    EXPECT_EQ(created["key"], "nova_id1_secret");
    EXPECT_EQ(published_, std::vector<std::string>{"id1"});
    const Json listed = json_of(call("GET", "/keys"));
    created.erase("key");
    EXPECT_EQ(listed["keys"], Json::array({created}));
    EXPECT_EQ(created["requests_per_minute"], 60);
    EXPECT_EQ(created["expires_at"], rfc3339(clock_.wall_now() + std::chrono::seconds{60}));
}

TEST_F(KeyRoutesTest, TellWhatWasDoneToWhoeverListens) {
    std::vector<lifecycle::FeedEvent> told;
    feed_.subscribe([&told](const lifecycle::FeedEvent& event) { told.push_back(event); });
    call("POST", "/keys", R"({"name":"laptop"})");
    call("DELETE", "/keys/id1");
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].type, "audit");
    EXPECT_EQ(Json::parse(told[0].json)["action"], "key.create");
    EXPECT_EQ(Json::parse(told[1].json)["action"], "key.revoke");
    EXPECT_EQ(told[1].id, told[0].id + 1) << "as the store has them";
}

TEST_F(KeyRoutesTest, NeedTheSecretBeforeTheyDoAnything) {
    for (const auto& [method, path] :
         {std::pair{"GET", "/keys"}, {"POST", "/keys"}, {"DELETE", "/keys/id1"}}) {
        const auto& exchange = call(method, path, R"({"name":"x"})", "");
        EXPECT_EQ(exchange.status, 401) << method;
        EXPECT_FALSE(exchange.body_read);
    }
    EXPECT_EQ(minted_, 0);
}

TEST_F(KeyRoutesTest, RevokeAtOnceAndForGood) {
    call("POST", "/keys", R"({"name":"a"})");
    call("POST", "/keys", R"({"name":"b"})");
    EXPECT_EQ(call("DELETE", "/keys/id1").status, 200);
    EXPECT_EQ(published_, std::vector<std::string>{"id2"});
    EXPECT_EQ(json_of(call("DELETE", "/keys/id1"))["code"], "key_not_found");
    KeyBook again{parts()};
    std::vector<std::string> passed_over;
    load(again, passed_over);
    ASSERT_EQ(again.keys().size(), 1U);
    EXPECT_EQ(again.keys().front().is.name, "b");
}

TEST_F(KeyRoutesTest, KeepWhatAKeyIsAcrossARestart) {
    call(
        "POST", "/keys",
        R"({"name":"a","models":["m"],"providers":["p"],"never_cloud":true,"tokens_per_minute":5,
            "requests_per_minute":6,"concurrent":7,"expires_at":"2100-01-01"})"
    );
    const Json before = json_of(call("GET", "/keys"));
    KeyBook again{parts()};
    std::vector<std::string> passed_over;
    load(again, passed_over);
    ASSERT_EQ(again.keys().size(), 1U);
    EXPECT_EQ(key_json(again.keys().front()), before["keys"][0]);
    EXPECT_EQ(again.keys().front().hash, std::string(64, 'a'));
}

TEST_F(KeyRoutesTest, NeverStoreTheKeyItself) {
    call("POST", "/keys", R"({"name":"a"})");
    std::string stored;
    run([](store::StateStore& store, std::string& into) -> Task<void> {
        const auto entries = co_await store.list("");
        for (const store::Entry& entry : *entries) {
            into += entry.key.value + entry.json;
        }
        const auto events = co_await store.events_after(0, 10);
        for (const store::EventRow& event : *events) {
            into += event.json;
        }
    }(store_, stored));
    EXPECT_NE(stored.find("key.create"), std::string::npos);
    EXPECT_EQ(stored.find("secret"), std::string::npos) << stored;
}

// An expiry that cannot be read must not make a key live for ever.
TEST_F(KeyRoutesTest, PassOverDocumentsThatMakeNoSense) {
    const std::string good = R"("name":"a","hash":")" + std::string(64, 'a') +
                             R"(","created_at":"2026-01-01T00:00:00Z")";
    const std::pair<std::string, std::string> documents[] = {
        {"key/good", "{" + good + "}"},
        {"key/bad-expiry", "{" + good + R"(,"expires_at":"never"})"},
        {"key/bad-hash", R"({"name":"a","hash":"xyz","created_at":"2026-01-01T00:00:00Z"})"},
        {"key/no-json", "nonsense"},
        {"key/bad-scope", "{" + good + R"(,"models":[1]})"},
    };
    for (const auto& [key, json] : documents) {
        run([](store::StateStore& store, std::string name, std::string text) -> Task<void> {
            std::vector<store::Write> writes;
            writes.emplace_back(
                store::PutDocument{.key = {std::move(name)}, .json = std::move(text)}
            );
            EXPECT_TRUE(co_await store.commit(std::move(writes)));
        }(store_, key, json));
    }
    std::vector<std::string> passed_over;
    load(book_, passed_over);
    EXPECT_EQ(published_, std::vector<std::string>{"good"});
    EXPECT_EQ(
        passed_over, (std::vector<std::string>{"bad-expiry", "bad-hash", "bad-scope", "no-json"})
    );
}

TEST_F(KeyRoutesTest, RefuseWishesThatMakeNoSense) {
    for (const std::string body :
         {"", "{}", "[]", "{", R"({"name":""})", R"({"name":"a\nb"})", R"({"name":5})",
          R"({"name":"a","models":"x"})", R"({"name":"a","models":[""]})",
          R"({"name":"a","requests_per_minute":0})", R"({"name":"a","tokens_per_minute":-1})",
          R"({"name":"a","concurrent":1.5})", R"({"name":"a","expires_in_s":0})",
          R"({"name":"a","expires_at":"2001-01-01"})", R"({"name":"a","expire":"2100-01-01"})",
          R"({"name":"a","expires_at":"2100-01-01","expires_in_s":1})"}) {
        const int status = call("POST", "/keys", body).status;
        EXPECT_TRUE(status == 400 || status == 422) << body << status;
    }
    EXPECT_EQ(minted_, 0);
    call("POST", "/keys", R"({"name":"a"})");
    EXPECT_EQ(call("POST", "/keys", R"({"name":"a"})").status, 409);
}

}  // namespace
}  // namespace nova::recovery

// Configured clouds against a server on loopback: what is stored, asked, published and told.
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/cloud_providers.hpp"
#include "core/random.hpp"
#include "net/test_server.hpp"
#include "store/memory_store.hpp"

namespace nova::app {
namespace {

using net::testing::run_on;

constexpr const char* kKey = "sk-canary-31415926";

class CloudProvidersTest : public testing::Test {
protected:
    CloudProvidersTest() {
        std::filesystem::create_directories(folder_);
        server_.routes.add("GET", "/v1/models", [this](net::Exchange& exchange) -> Task<void> {
            ++asked_;
            seen_key_ = exchange.request().headers.find("Authorization");
            ignore(co_await exchange.respond(status_, "application/json", models_), "test");
        });
        server_.routes.add(
            "POST", "/v1/chat/completions",
            [this](net::Exchange& exchange) -> Task<void> {
                const auto body = co_await exchange.read_body(10000);
                completion_ = body.value_or("");
                ignore(co_await exchange.respond(200, "application/json", "{}"), "test");
            }
        );
        const Endpoint at = server_.start();
        url_ = "http://" + at.text();
    }

    ~CloudProvidersTest() override { std::filesystem::remove_all(folder_); }

    std::unique_ptr<CloudProviders> make() {
        return std::make_unique<CloudProviders>(CloudProviders::Parts{
            .executor = io_.get_executor(),
            .clock = clock_,
            .log = log_,
            .store = store_,
            .key_file = folder_ + "/secret.key",
            .strategy = [this] { return strategy_; },
            .changed = [this]() -> Task<void> {
                ++changed_;
                co_return;
            },
            .circuit = [this](const UpstreamId&) { return std::string_view{circuit_}; },
            .forget_failures = [this](const UpstreamId& id) { forgotten_.push_back(id.value); },
        });
    }

    // The body on the loop, then the server's end.
    void run(std::function<Task<void>()> body) {
        run_on(io_, [&]() -> Task<void> {
            co_await body();
            co_await server_.stop();
        });
    }

    // keep_fresh() until the condition holds.
    Task<void> fresh_until(CloudProviders& clouds, std::function<bool()> condition) {
        TaskGroup group{io_.get_executor()};
        group.spawn("clouds", clouds.keep_fresh());
        const TimePoint end = clock_.now() + net::testing::kPatience / 2;
        while (!condition() && clock_.now() < end) {
            co_await clock_.sleep_for(std::chrono::milliseconds{2});
        }
        EXPECT_TRUE(condition());
        group.cancel();
        co_await group.join();
    }

    std::string configuration(const std::string& more = "") const {
        return R"({"base_url": ")" + url_ + R"(", "secret": ")" + kKey + "\"" + more + "}";
    }

    asio::io_context io_{1};
    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::debug};
    store::MemoryStore store_;
    net::testing::Server server_{io_};
    std::string folder_ =
        (std::filesystem::temp_directory_path() / ("nova-clouds-" + random_hex(6))).string();
    std::string url_;
    gateway::Strategy strategy_ = gateway::Strategy::local_first;
    int status_ = 200;
    std::string models_ = R"({"data": [{"id": "m1"}, {"id": "org/m2"}]})";
    std::string circuit_ = "closed";
    std::vector<std::string> forgotten_;
    int asked_ = 0;
    int changed_ = 0;
    std::string seen_key_;
    std::string completion_;
};

TEST_F(CloudProvidersTest, AProviderIsStoredSealedAndComesBackWithItsList) {
    run([&]() -> Task<void> {
        auto clouds = make();
        EXPECT_TRUE(co_await clouds->load({}));
        const auto told = co_await clouds->put("work", configuration());
        EXPECT_TRUE(told) << (told ? "" : told.error().message);
        EXPECT_EQ(changed_, 1);
        EXPECT_EQ(told->find(kKey), std::string::npos);
        co_await fresh_until(*clouds, [&] { return changed_ == 2; });
        EXPECT_EQ(seen_key_, std::string{"Bearer "} + kKey);
        const auto stored = co_await store_.list("");
        for (const store::Entry& entry : *stored) {
            EXPECT_EQ(entry.json.find(kKey), std::string::npos) << entry.key.value;
        }
        auto later = make();
        EXPECT_TRUE(co_await later->load({}));
        const auto upstreams = later->upstreams();
        EXPECT_EQ(upstreams.size(), 1U);
        EXPECT_EQ(upstreams.at(0)->models, (std::vector<std::string>{"m1", "org/m2"}))
            << "known before anybody was asked";
        EXPECT_EQ(upstreams.at(0)->auth_header_value.reveal(), std::string{"Bearer "} + kKey);
    });
}

TEST_F(CloudProvidersTest, UnderLocalOnlyNobodyIsAsked) {
    strategy_ = gateway::Strategy::local_only;
    run([&]() -> Task<void> {
        auto clouds = make();
        EXPECT_TRUE(co_await clouds->put("work", configuration()));
        TaskGroup group{io_.get_executor()};
        group.spawn("clouds", clouds->keep_fresh());
        const auto tested = co_await clouds->test("work");
        EXPECT_EQ(tested.error().name(), "local_only");
        co_await clouds->missed();
        EXPECT_EQ(Json::parse(*co_await clouds->get("work"))["state"], "kept_out");
        group.cancel();
        co_await group.join();
        EXPECT_EQ(asked_, 0);
        strategy_ = gateway::Strategy::local_first;
        co_await fresh_until(*clouds, [&] { return asked_ == 1; });
    });
}

TEST_F(CloudProvidersTest, AKeyOfTheEnvironmentConfiguresItsProviderOnce) {
    run([&]() -> Task<void> {
        auto clouds = make();
        std::vector<std::pair<std::string_view, Secret>> keys;
        keys.emplace_back("GROQ_API_KEY", Secret{kKey});
        EXPECT_TRUE(co_await clouds->load(keys));
        EXPECT_EQ(clouds->upstreams().size(), 1U);
        EXPECT_EQ(clouds->upstreams().at(0)->id.value, "cloud/groq");
        EXPECT_TRUE(co_await clouds->remove("groq"));
        auto later = make();
        EXPECT_TRUE(co_await later->load(keys));
        EXPECT_TRUE(later->upstreams().empty()) << "removed is removed";
    });
}

TEST_F(CloudProvidersTest, AListThatFailsKeepsTheLastOneAndSaysWhy) {
    run([&]() -> Task<void> {
        auto clouds = make();
        EXPECT_TRUE(co_await clouds->put("work", configuration()));
        co_await fresh_until(*clouds, [&] { return changed_ == 2; });
        status_ = 500;
        TaskGroup group{io_.get_executor()};
        group.spawn("miss", clouds->missed());
        co_await fresh_until(*clouds, [&] { return asked_ == 2; });
        group.cancel();  // fresh_until() may have ended before the answer was noted
        co_await group.join();
        const auto told = co_await clouds->test("work");
        EXPECT_EQ(Json::parse(*told)["ok"], false);
        EXPECT_EQ(clouds->upstreams().at(0)->models.size(), 2U);
        EXPECT_EQ(Json::parse(*co_await clouds->get("work"))["error"]["code"], "http_error");
    });
}

TEST_F(CloudProvidersTest, AMissAsksForTheListsAnewAndNotTwiceInARow) {
    run([&]() -> Task<void> {
        auto clouds = make();
        EXPECT_TRUE(co_await clouds->put("work", configuration()));
        co_await fresh_until(*clouds, [&] { return changed_ == 2; });
        models_ = R"({"data": [{"id": "m1"}, {"id": "new"}]})";
        TaskGroup group{io_.get_executor()};
        group.spawn("clouds", clouds->keep_fresh());
        co_await clouds->missed();
        EXPECT_EQ(asked_, 2);
        EXPECT_EQ(clouds->upstreams().at(0)->models, (std::vector<std::string>{"m1", "new"}));
        EXPECT_EQ(changed_, 3) << "everybody routes by it when the miss is over";
        co_await clouds->missed();
        EXPECT_EQ(asked_, 2);
        group.cancel();
        co_await group.join();
    });
}

TEST_F(CloudProvidersTest, TellsHowRequestsStandAndForgetsThePastOfWhatIsChanged) {
    run([&]() -> Task<void> {
        auto clouds = make();
        circuit_ = "credentials";
        const auto told = co_await clouds->put("work", configuration());
        EXPECT_EQ(Json::parse(*told)["circuit"], "credentials");
        EXPECT_EQ(forgotten_, std::vector<std::string>{"cloud/work"}) << "a new key is tried";
        EXPECT_TRUE(co_await clouds->put("work", R"({"enabled": false})"));
        EXPECT_FALSE(Json::parse(*co_await clouds->get("work")).contains("circuit"));
    });
}

TEST_F(CloudProvidersTest, AProviderThatQuotesItsKeyIsNotQuoted) {
    run([&]() -> Task<void> {
        auto clouds = make();
        EXPECT_TRUE(co_await clouds->put("work", configuration()));
        status_ = 400;
        models_ = std::string{R"({"error": {"message": "what is )"} + kKey + R"("}})";
        const auto told = co_await clouds->test("work");
        EXPECT_NE(told->find("what is"), std::string::npos) << *told;
        EXPECT_EQ(told->find(kKey), std::string::npos) << *told;
        const auto entry = co_await clouds->get("work");
        EXPECT_NE(entry->find("what is"), std::string::npos) << *entry;
        EXPECT_EQ(entry->find(kKey), std::string::npos) << *entry;
    });
}

TEST_F(CloudProvidersTest, WhatIsWrongIsRefusedAndChangesNothing) {
    run([&]() -> Task<void> {
        auto clouds = make();
        for (const char* body :
             {"{", R"({"base_url": "http://169.254.169.254"})", "{}",
              R"({"kind": "nobody", "base_url": "https://x"})"}) {
            EXPECT_FALSE(co_await clouds->put("work", body)) << body;
        }
        EXPECT_FALSE(co_await clouds->put("ollama", configuration()));
        EXPECT_EQ((co_await clouds->get("work")).error().name(), "provider_not_found");
        EXPECT_TRUE((co_await store_.list("provider/"))->empty());
        EXPECT_EQ(changed_, 0);
    });
}

TEST_F(CloudProvidersTest, ATestTriesOneTokenWhereThereIsNoList) {
    status_ = 404;
    run([&]() -> Task<void> {
        auto clouds = make();
        EXPECT_TRUE(co_await clouds->put("work", configuration()));
        auto told = Json::parse(*co_await clouds->test("work"));
        EXPECT_EQ(told["error"]["code"], "precondition") << told.dump();
        EXPECT_TRUE(co_await clouds->put("work", R"({"default_model": "m1"})"));
        told = Json::parse(*co_await clouds->test("work"));
        EXPECT_EQ(told["ok"], true) << told.dump();
        EXPECT_EQ(Json::parse(completion_)["model"], "m1");
        EXPECT_EQ(Json::parse(completion_)["max_tokens"], 1);
    });
}

TEST_F(CloudProvidersTest, TheChainGoesByOrderAndLeavesOutWhatCannotBeUsed) {
    run([&]() -> Task<void> {
        auto clouds = make();
        EXPECT_TRUE(co_await clouds->put("late", configuration(R"(, "order": 200)")));
        EXPECT_TRUE(co_await clouds->put("early", configuration(R"(, "order": 1)")));
        EXPECT_TRUE(co_await clouds->put("off", configuration(R"(, "enabled": false)")));
        EXPECT_TRUE(co_await clouds->put("openai", "{}")) << "a key may follow";
        std::string chain;
        for (const auto& upstream : clouds->upstreams()) {
            chain += upstream->provider + " ";
        }
        EXPECT_EQ(chain, "early late ");
        EXPECT_EQ(Json::parse(*co_await clouds->get("openai"))["error"]["code"], "no_key");
        EXPECT_EQ(Json::parse(*co_await clouds->get("off"))["state"], "disabled");
        std::filesystem::remove(folder_ + "/secret.key");
        auto later = make();
        EXPECT_TRUE(co_await later->load({}));
        EXPECT_TRUE(later->upstreams().empty()) << "without the key file no key opens";
        EXPECT_EQ(Json::parse(*co_await later->get("early"))["error"]["code"], "corrupt");
    });
}

}  // namespace
}  // namespace nova::app

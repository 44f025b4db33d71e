// Settings and mode through the route table.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recovery/fake_exchange.hpp"
#include "recovery/settings_routes.hpp"
#include "store/memory_store.hpp"

namespace nova::recovery {
namespace {

constexpr std::string_view kSecret = "b7e0d3f2a9c84410";

class SettingsRoutesTest : public testing::Test {
protected:
    SettingsRoutesTest() { add_settings_routes(table_, auth_, access_); }

    FakeExchange& call(
        const std::string& method, const std::string& path, const std::string& body = {},
        std::string_view secret = kSecret
    ) {
        exchanges_.push_back(std::make_unique<FakeExchange>(method, "/api/v1/recovery" + path));
        FakeExchange& exchange = *exchanges_.back();
        if (!secret.empty()) {
            exchange.add_header("X-Admin-Secret", secret);
        }
        exchange.body = body;
        const auto match = table_.find(method, exchange.request().path());
        if (match.handler == nullptr) {
            exchange.status = 404;
            return exchange;
        }
        context_.restart();
        asio::co_spawn(context_, (*match.handler)(exchange), [](std::exception_ptr failure) {
            EXPECT_FALSE(failure);
        });
        context_.run();
        return exchange;
    }

    static Json row(const FakeExchange& exchange, const std::string& name) {
        for (const Json& setting : Json::parse(exchange.sent)["settings"]) {
            if (setting["name"] == name) {
                return setting;
            }
        }
        return {};
    }

    asio::io_context context_;
    VirtualClock clock_;
    store::MemoryStore store_;
    config::Settings settings_{store_, {}};
    std::vector<std::string> changed_;
    SettingsAccess access_{
        .settings = settings_,
        .changed = [this](std::vector<std::string> names) -> Task<void> {
            changed_.insert(changed_.end(), names.begin(), names.end());
            co_return;
        },
    };
    AdminAuth auth_{Secret{std::string{kSecret}}, clock_};
    net::RouteTable table_;
    std::vector<std::unique_ptr<FakeExchange>> exchanges_;
};

TEST_F(SettingsRoutesTest, TellsEverySettingWithItsSourceAndBounds) {
    const auto& exchange = call("GET", "/settings");
    EXPECT_EQ(exchange.status, 200);
    EXPECT_EQ(Json::parse(exchange.sent)["settings"].size(), config::setting_table().size());
    const Json drain = row(exchange, "drain_s");
    EXPECT_EQ(drain["value"], 15);
    EXPECT_EQ(drain["default"], 15);
    EXPECT_EQ(drain["layer"], "default");
    EXPECT_EQ(drain["most"], 3600);
    EXPECT_EQ(drain["applies"], "at_restart");
    EXPECT_EQ(row(exchange, "mode")["words"].size(), 3U);
    EXPECT_EQ(row(exchange, "mode")["applies"], "at_once");
}

TEST_F(SettingsRoutesTest, ChangesOnlyWhatIsValidAsAWhole) {
    EXPECT_EQ(call("PATCH", "/settings", R"({"drain_s": 20, "probe_strikes": 0})").status, 422);
    EXPECT_EQ(settings_.integer("drain_s"), 15) << "nothing of a bad wish is done";
    EXPECT_EQ(call("PATCH", "/settings", R"({"nothing": 1})").status, 404);
    EXPECT_EQ(call("PATCH", "/settings", "[]").status, 400);
    EXPECT_EQ(call("PATCH", "/settings", "{}").status, 400);
    EXPECT_EQ(call("PATCH", "/settings", "{").status, 400);
    EXPECT_TRUE(changed_.empty());
    const auto& done = call("PATCH", "/settings", R"({"drain_s": 20})");
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(row(done, "drain_s")["layer"], "store");
    EXPECT_EQ(settings_.integer("drain_s"), 20);
    EXPECT_EQ(changed_, std::vector<std::string>{"drain_s"});
    EXPECT_EQ(call("PATCH", "/settings", R"({"drain_s": null})").status, 200);
    EXPECT_EQ(settings_.integer("drain_s"), 15);
}

TEST_F(SettingsRoutesTest, TheModeIsASettingOfItsOwn) {
    Json mode = Json::parse(call("GET", "/mode").sent);
    EXPECT_EQ(mode["mode"], "hybrid");
    EXPECT_EQ(mode["strategy"], "local-first");
    EXPECT_EQ(call("PUT", "/mode", R"({"mode": "elsewhere"})").status, 422);
    EXPECT_EQ(call("PUT", "/mode", R"({})").status, 400);
    mode = Json::parse(call("PUT", "/mode", R"({"mode": "local-only"})").sent);
    EXPECT_EQ(mode["strategy"], "local-only");
    EXPECT_EQ(settings_.text("mode"), "local-only");
    EXPECT_EQ(changed_, std::vector<std::string>{"mode"});
}

TEST_F(SettingsRoutesTest, NothingWithoutTheSecret) {
    EXPECT_EQ(call("GET", "/settings", {}, "").status, 401);
    EXPECT_EQ(call("PATCH", "/settings", R"({"drain_s": 20})", "wrong").status, 401);
    EXPECT_EQ(call("PUT", "/mode", R"({"mode": "local-only"})", "").status, 401);
    EXPECT_EQ(settings_.text("mode"), "hybrid");
    EXPECT_FALSE(exchanges_.back()->body_read);
}

}  // namespace
}  // namespace nova::recovery

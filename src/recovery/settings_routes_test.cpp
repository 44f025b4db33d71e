// Settings and mode through the route table.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recovery/routes_fixture.hpp"
#include "recovery/settings_routes.hpp"
#include "store/memory_store.hpp"

namespace nova::recovery {
namespace {

class SettingsRoutesTest : public RoutesFixture {
protected:
    SettingsRoutesTest() { add_settings_routes(table_, auth_, access_); }

    static Json row(const FakeExchange& exchange, const std::string& name) {
        for (const Json& setting : Json::parse(exchange.sent)["settings"]) {
            if (setting["name"] == name) {
                return setting;
            }
        }
        return {};
    }

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

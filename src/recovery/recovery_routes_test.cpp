// Every route through the route table: statuses, bodies, wishes and credentials.
#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recovery/fake_backend.hpp"
#include "recovery/recovery_routes.hpp"
#include "recovery/routes_fixture.hpp"
#include "store/memory_store.hpp"

namespace nova::recovery {
namespace {

class RecoveryRoutesTest : public RoutesFixture {
protected:
    RecoveryRoutesTest() { add_recovery_routes(table_, parts_); }

    static Json json_of(const FakeExchange& exchange) { return Json::parse(exchange.sent); }

    static Task<std::vector<EngineStatus>> engines() {
        EngineStatus engine;
        engine.backend = "llamacpp";
        engine.title = "llama.cpp";
        engine.installed = true;
        engine.can_run = true;
        std::vector<EngineStatus> list{engine};
        co_return list;
    }

    static Task<Result<std::string>> hardware_text() { co_return std::string{R"({"gpus":[]})"}; }

    store::MemoryStore store_;
    lifecycle::EventFeed feed_;
    FakeBackend backend_;
    FakeBackend embed_;
    std::optional<hardware::Overwrite> overwrite_;
    Readiness readiness_{.ready = false, .detail = "Nothing runs."};
    RecoveryParts parts_{
        .backend = backend_,
        .store = store_,
        .feed = feed_,
        .auth = auth_,
        .clock = clock_,
        .engines = engines,
        .hardware =
            {hardware_text,
             [this](hardware::Overwrite overwrite) {
                 overwrite_ = overwrite;
                 return hardware_text();
             },
             hardware_text},
        .readiness = [this] { return readiness_; },
        .version = "0.1.0",
        .event_limits = {},
        .embed = &embed_,
    };
};

TEST_F(RecoveryRoutesTest, AreTheSameUnderBothBases) {
    std::vector<std::string> shorter;
    std::vector<std::string> longer;
    for (const auto& entry : table_.entries()) {
        const bool is_long = entry.pattern.starts_with("/recovery-api");
        auto& list = is_long ? longer : shorter;
        list.push_back(entry.method + (is_long ? entry.pattern.substr(13) : entry.pattern));
    }
    EXPECT_EQ(shorter, longer);
    EXPECT_GE(shorter.size(), 17U);
    const auto& exchange =
        call("GET", "/inference/backend", {}, kSecret, "/recovery-api/api/v1/recovery");
    EXPECT_EQ(exchange.status, 200);
}

TEST_F(RecoveryRoutesTest, NeedTheSecretBeforeTheyDoAnything) {
    for (const auto& entry : table_.entries()) {
        if (entry.pattern.find("/health/") != std::string::npos ||
            !entry.pattern.starts_with("/api")) {
            continue;
        }
        std::string path = entry.pattern.substr(std::string_view{"/api/v1/recovery"}.size());
        for (const auto& [from, to] : {std::pair{"{backend}", "llamacpp"}, {"{id}", "op1"}}) {
            if (const auto at = path.find(from); at != std::string::npos) {
                path.replace(at, std::string_view{from}.size(), to);
            }
        }
        const auto& exchange = call(entry.method, path, R"({"model":"m"})", "");
        EXPECT_EQ(exchange.status, 401) << entry.method << " " << path;
        EXPECT_FALSE(exchange.body_read) << path;
        EXPECT_EQ(json_of(exchange)["code"], "unauthorized");
    }
    EXPECT_TRUE(backend_.wishes.empty());
    EXPECT_TRUE(backend_.cancelled.empty());
}

TEST_F(RecoveryRoutesTest, HealthNeedsNoSecretAndTellsTheTruth) {
    EXPECT_EQ(call("GET", "/health/live", {}, "").status, 200);
    EXPECT_EQ(call("GET", "/health/ready", {}, "").status, 503);
    readiness_.ready = true;
    EXPECT_EQ(call("GET", "/health/ready", {}, "").status, 200);
}

TEST_F(RecoveryRoutesTest, StartStatesAWishAndAnswersWithTheOperation) {
    const auto& exchange =
        call("POST", "/inference/backend/llamacpp/start", R"({"model":"/m.gguf"})");
    EXPECT_EQ(exchange.status, 202);
    const Json body = json_of(exchange);
    EXPECT_EQ(body["status"], "accepted");
    EXPECT_EQ(body["backend"], "llamacpp");
    EXPECT_EQ(body["operation"], "op1");
    ASSERT_EQ(backend_.wishes.size(), 1U);
    EXPECT_EQ(backend_.wishes[0].spec->model.value, "/m.gguf");
    EXPECT_EQ(backend_.wishes[0].actor, "api");
}

TEST_F(RecoveryRoutesTest, TheSameWishAgainIs200) {
    backend_.answer->already = true;
    const auto& exchange =
        call("POST", "/inference/backend/llamacpp/start", R"({"model":"/m.gguf"})");
    EXPECT_EQ(exchange.status, 200);
    EXPECT_EQ(json_of(exchange)["status"], "unchanged");
    EXPECT_TRUE(json_of(exchange)["operation"].is_null());  // op1 has ended
    backend_.state.operation = OperationId{"op1"};
    const auto& running =
        call("POST", "/inference/backend/llamacpp/start", R"({"model":"/m.gguf"})");
    EXPECT_EQ(json_of(running)["operation"], "op1");
}

TEST_F(RecoveryRoutesTest, BadWishesAreRefusedBeforeTheLifecycleHearsOfThem) {
    struct Row {
        std::string path;
        std::string body;
        int status;
        std::string code;
    };

    const Row rows[] = {
        {"/inference/backend/nope/start", "{}", 404, "engine_not_found"},
        {"/inference/backend/none/start", "{}", 404, "engine_not_found"},
        {"/inference/backend/llamacpp/start", "{", 400, "invalid_argument"},
        {"/inference/backend/llamacpp/start", R"({"moddel":"m"})", 400, "invalid_argument"},
        {"/inference/backend/llamacpp/start", "", 422, "unprocessable"},
        {"/inference/backend/custom/start", "{}", 422, "unprocessable"},
        {"/inference/backend/llamacpp/start", std::string(300 * 1024, ' '), 413, "too_large"},
        {"/inference/backend/llamacpp/switch-model", "{}", 400, "invalid_argument"},
        {"/inference/backend/nope/switch-model", R"({"model":"m"})", 404, "engine_not_found"},
    };
    for (const Row& row : rows) {
        const auto& exchange = call("POST", row.path, row.body);
        EXPECT_EQ(exchange.status, row.status) << row.path << " " << row.body;
        EXPECT_EQ(json_of(exchange)["code"], row.code) << row.path;
    }
    EXPECT_TRUE(backend_.wishes.empty());
}

TEST_F(RecoveryRoutesTest, SwitchModelKeepsEngineAndOptions) {
    backend_.state.wanted.emplace();
    backend_.state.wanted->engine = EngineName{"llamacpp"};
    backend_.state.wanted->model = ModelId{"/old.gguf"};
    backend_.state.wanted->options["context"] = "1024";
    const auto& exchange =
        call("POST", "/inference/backend/llamacpp/switch-model", R"({"model":"/new.gguf"})");
    EXPECT_EQ(exchange.status, 202);
    ASSERT_EQ(backend_.wishes.size(), 1U);
    EXPECT_EQ(backend_.wishes[0].spec->model.value, "/new.gguf");
    EXPECT_EQ(backend_.wishes[0].spec->options.at("context"), "1024");
}

TEST_F(RecoveryRoutesTest, StopWantsNothing) {
    EXPECT_EQ(call("POST", "/inference/backend/stop").status, 202);
    ASSERT_EQ(backend_.wishes.size(), 1U);
    EXPECT_FALSE(backend_.wishes[0].spec.has_value());
}

TEST_F(RecoveryRoutesTest, CancelPassesTheLifecyclesVerdictOn) {
    EXPECT_EQ(call("DELETE", "/inference/operations/op1").status, 202);
    backend_.cancel_answer = fail(ErrorCode::conflict, "It has ended.");
    EXPECT_EQ(call("DELETE", "/inference/operations/op1").status, 409);
    EXPECT_EQ(backend_.cancelled, (std::vector<std::string>{"op1", "op1"}));
}

TEST_F(RecoveryRoutesTest, OperationsComeFromTheStore) {
    lifecycle::Operation operation;
    operation.id = OperationId{"op9"};
    operation.kind = "start";
    operation.created_at = clock_.wall_now();
    run([](store::StateStore& store, lifecycle::Operation one) -> Task<void> {
        std::vector<store::Write> writes;
        writes.emplace_back(store::PutOperation{
            .id = one.id,
            .json = lifecycle::to_json(one).dump(),
            .created_at = one.created_at,
            .finished_at = {}
        });
        EXPECT_TRUE(co_await store.commit(std::move(writes)));
    }(store_, operation));
    const Json list = json_of(call("GET", "/inference/operations?limit=5"));
    ASSERT_EQ(list["operations"].size(), 1U);
    EXPECT_EQ(list["operations"][0]["id"], "op9");
    EXPECT_EQ(json_of(call("GET", "/inference/operations/op9"))["kind"], "start");
    EXPECT_EQ(json_of(call("GET", "/inference/operations?slot=local"))["operations"].size(), 1U);
    EXPECT_TRUE(json_of(call("GET", "/inference/operations?slot=embed"))["operations"].empty());
    EXPECT_EQ(call("GET", "/inference/operations?slot=x").status, 404);
    const auto& missing = call("GET", "/inference/operations/nope");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(json_of(missing)["code"], "operation_not_found");
    for (const char* limit : {"0", "501", "x", "-1", ""}) {
        const auto& refused = call("GET", std::string{"/inference/operations?limit="} + limit);
        EXPECT_EQ(refused.status, 400) << limit;
    }
}

TEST_F(RecoveryRoutesTest, LogsAreText) {
    backend_.log = "line\n";
    const auto& exchange = call("GET", "/inference/backend/logs?tail=3");
    EXPECT_EQ(exchange.status, 200);
    EXPECT_EQ(exchange.sent, "line\n");
    EXPECT_EQ(call("GET", "/inference/backend/logs?tail=0").status, 400);
    EXPECT_EQ(call("GET", "/inference/backend/logs?follow=yes").status, 400);
}

TEST_F(RecoveryRoutesTest, EnginesAndHardwareAreTold) {
    const Json engines = json_of(call("GET", "/inference/backends"));
    ASSERT_EQ(engines["backends"].size(), 1U);
    EXPECT_EQ(engines["backends"][0]["running"], false);
    for (const auto& [method, path] :
         {std::pair{"GET", "/hardware"},
          {"POST", "/hardware/detect"},
          {"GET", "/hardware/gpu-stats"},
          {"GET", "/inference/hardware"}}) {
        EXPECT_EQ(call(method, path).status, 200) << path;
    }
}

TEST_F(RecoveryRoutesTest, ADetectionForgetsOnlyWhenItIsToldTo) {
    call("POST", "/hardware/detect");
    EXPECT_EQ(overwrite_, hardware::Overwrite::keep_richer);
    call("POST", "/hardware/detect?forget=1");
    EXPECT_EQ(overwrite_, hardware::Overwrite::replace);
    overwrite_.reset();
    EXPECT_EQ(call("POST", "/hardware/detect?forget=yes").status, 400);
    EXPECT_FALSE(overwrite_);
}

TEST_F(RecoveryRoutesTest, EveryBackendRouteTakesTheSlot) {
    embed_.state.slot = SlotName{"embed"};
    embed_.log = "of the other\n";
    const auto& started =
        call("POST", "/inference/backend/llamacpp/start", R"({"model":"/e.gguf","slot":"embed"})");
    EXPECT_EQ(started.status, 202) << started.sent;
    call("POST", "/inference/backend/llamacpp/switch-model", R"({"model":"/f","slot":"embed"})");
    call("POST", "/inference/backend/stop", R"({"slot":"embed"})");
    ASSERT_EQ(embed_.wishes.size(), 3U);
    EXPECT_EQ(embed_.wishes[0].spec->model.value, "/e.gguf");
    EXPECT_EQ(embed_.wishes[1].spec->model.value, "/f");
    EXPECT_FALSE(embed_.wishes[2].spec);
    EXPECT_TRUE(backend_.wishes.empty());
    EXPECT_EQ(json_of(call("GET", "/inference/backend?slot=embed"))["slot"], "embed");
    EXPECT_EQ(json_of(call("GET", "/inference/backend"))["slot"], "local");
    EXPECT_EQ(call("GET", "/inference/backend/logs?slot=embed").sent, "of the other\n");
    const Json slots = json_of(call("GET", "/inference/slots"))["slots"];
    ASSERT_EQ(slots.size(), 2U);
    EXPECT_EQ(slots[0]["slot"], "local");
    EXPECT_EQ(slots[1]["slot"], "embed");
    embed_.state.backend = "llamacpp";
    embed_.state.instance.emplace();
    EXPECT_EQ(json_of(call("GET", "/inference/backends"))["backends"][0]["running"], true);
}

TEST_F(RecoveryRoutesTest, AnUnknownSlotIs404) {
    struct Row {
        std::string method;
        std::string path;
        std::string body;
    };

    for (const Row& row :
         {Row{"POST", "/inference/backend/llamacpp/start", R"({"model":"m","slot":"draft"})"},
          Row{"POST", "/inference/backend/llamacpp/switch-model", R"({"model":"m","slot":"x"})"},
          Row{"POST", "/inference/backend/stop", R"({"slot":"x"})"},
          Row{"GET", "/inference/backend?slot=x", ""},
          Row{"GET", "/inference/backend/logs?slot=x", ""}}) {
        const auto& exchange = call(row.method, row.path, row.body);
        EXPECT_EQ(exchange.status, 404) << row.path;
        EXPECT_EQ(json_of(exchange)["code"], "slot_not_found") << row.path;
        EXPECT_NE(json_of(exchange)["remedy"].get<std::string>().find("embed"), std::string::npos);
    }
    EXPECT_EQ(call("POST", "/inference/backend/stop", R"({"slots":"x"})").status, 400);
    EXPECT_TRUE(backend_.wishes.empty());
    EXPECT_TRUE(embed_.wishes.empty());
}

TEST_F(RecoveryRoutesTest, AnOperationIsCancelledWhereItRuns) {
    embed_.state.operation = OperationId{"op7"};
    EXPECT_EQ(call("DELETE", "/inference/operations/op7").status, 202);
    EXPECT_EQ(embed_.cancelled, std::vector<std::string>{"op7"});
    EXPECT_TRUE(backend_.cancelled.empty());
}

TEST_F(RecoveryRoutesTest, TheRuntimeAutoIsSettledWhenTheWishComes) {
    std::vector<std::string> asked;
    parts_.choose_runtime = [&asked](EngineName engine, std::string now) -> Task<std::string> {
        asked.push_back(engine.value + " " + now);
        co_return "docker";
    };
    const char* path = "/inference/backend/llamacpp/start";
    call("POST", path, R"({"model": "m"})");
    EXPECT_EQ(backend_.wishes.back().spec->runtime, "docker");
    // The same again, while it is up: told where it is.
    backend_.state.wanted = backend_.wishes.back().spec;
    backend_.state.phase = lifecycle::Phase::ready;
    call("POST", path, R"({"model": "m"})");
    call("POST", path, R"({"model": "another"})");
    backend_.state.phase = lifecycle::Phase::failed;
    call("POST", path, R"({"model": "m"})");
    EXPECT_EQ(
        asked, (std::vector<std::string>{"llamacpp ", "llamacpp docker", "llamacpp ", "llamacpp "})
    );
    call("POST", path, R"({"model": "m", "runtime": "process"})");
    EXPECT_EQ(backend_.wishes.back().spec->runtime, "process");
    EXPECT_EQ(asked.size(), 4U);
}

TEST_F(RecoveryRoutesTest, NothingIsStartedWhereTheModeForbidsIt) {
    parts_.start_refused = [] {
        return Error{.code = ErrorCode::precondition, .message = "The mode is cloud-only."};
    };
    for (const char* path :
         {"/inference/backend/llamacpp/start", "/inference/backend/llamacpp/switch-model"}) {
        EXPECT_EQ(call("POST", path, R"({"model": "m"})").status, 409) << path;
    }
    EXPECT_TRUE(backend_.wishes.empty());
    EXPECT_EQ(call("POST", "/inference/backend/stop").status, 202) << "a stop is always possible";
}

}  // namespace
}  // namespace nova::recovery

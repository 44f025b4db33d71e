// Shapes on the wire, and what requests may say.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recovery/dto.hpp"

namespace nova::recovery {
namespace {

using lifecycle::BackendStatus;
using lifecycle::Phase;

TEST(RenderError, LeavesTheRemedyOutWhenThereIsNone) {
    EXPECT_EQ(
        render_error({.code = ErrorCode::not_found, .message = "No."}),
        R"({"code":"not_found","detail":"No."})"
    );
    EXPECT_EQ(
        render_error({.code = ErrorCode::not_found, .message = "No.", .word = "w", .remedy = "Do."}
        ),
        R"({"code":"w","detail":"No.","remedy":"Do."})"
    );
}

TEST(BackendJson, LeavesOutWhatIsUnknown) {
    BackendStatus status;
    status.phase = Phase::backing_off;
    const Json json = backend_json(status);
    EXPECT_EQ(json["state"], "error");
    EXPECT_EQ(json["phase"], "backing_off");
    EXPECT_TRUE(json["model"].is_null());
    EXPECT_TRUE(json["active_model"].is_null());
    for (const char* key : {"retry_at", "error", "operation", "switch_progress", "instance"}) {
        EXPECT_FALSE(json.contains(key)) << key;
    }
}

TEST(BackendJson, TellsWhatWentWrongLast) {
    BackendStatus status;
    status.phase = Phase::ready;
    EXPECT_FALSE(backend_json(status).contains("last_failure"));
    status.last_failure = lifecycle::LastFailure{
        .at = WallTime{std::chrono::seconds{1'700'000'000}},
        .target = "llamacpp /bad.gguf",
        .rolled_back = true,
        .error =
            {.code = "model_broken", .detail = "No.", .remedy = "Fetch it again.", .log_excerpt = {}
            }
    };
    const Json failure = backend_json(status)["last_failure"];
    EXPECT_EQ(failure["code"], "model_broken");
    EXPECT_EQ(failure["remedy"], "Fetch it again.");
    EXPECT_EQ(failure["target"], "llamacpp /bad.gguf");
    EXPECT_EQ(failure["rolled_back"], true);
    EXPECT_EQ(failure["at"], "2023-11-14T22:13:20.000Z");
}

TEST(BackendJson, TellsTheInstanceThatRuns) {
    BackendStatus status;
    status.backend = "llamacpp";
    status.phase = Phase::ready;
    status.instance.emplace();
    status.instance->name = "nova-llamacpp";
    status.instance->pid = 42;
    status.instance->endpoint = {.host = "127.0.0.1", .port = 9, .tls = false};
    const Json json = backend_json(status);
    EXPECT_EQ(json["instance"]["pid"], 42);
    EXPECT_EQ(json["instance"]["address"], "127.0.0.1:9");
    EXPECT_EQ(json["container_status"]["running"], true);
    EXPECT_EQ(json["container_status"]["health"], "healthy");
}

TEST(StartRequest, NamesTheKeyThatIsWrong) {
    const std::pair<std::string, std::string> rows[] = {
        {R"({"modle":"x"})", "modle"},
        {R"({"model":1})", "model"},
        {R"({"options":{"context":[1]}})", "options.context"},
        {R"({"options":"context=1"})", "options"},
        {R"({"runtime":"k8s"})", "runtime"},
        {R"({"strategy":"canary"})", "strategy"},
        {"[]", "object"},
        {"{", "JSON"},
    };
    for (const auto& [body, name] : rows) {
        const auto request = start_request_from(body);
        ASSERT_FALSE(request) << body;
        EXPECT_NE(request.error().message.find(name), std::string::npos) << request.error().message;
    }
}

TEST(StartRequest, TakesAStrategyAndLeavesItOpenWhenNoneIsNamed) {
    EXPECT_FALSE(start_request_from(R"({"model":"m"})")->strategy);
    EXPECT_EQ(
        start_request_from(R"({"strategy":"blue-green"})")->strategy,
        lifecycle::Strategy::blue_green
    );
}

TEST(StartRequest, TakesNumbersAndBooleansAsWritten) {
    const auto request =
        start_request_from(R"({"model":"m","options":{"context":4096,"embeddings":true,"a":"b"}})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->options.at("context"), "4096");
    EXPECT_EQ(request->options.at("embeddings"), "true");
    EXPECT_EQ(request->options.at("a"), "b");
    EXPECT_TRUE(start_request_from(""));
}

TEST(Wish, TakesTheLastModelOfThatEngineOnly) {
    BackendStatus last;
    last.last_good.emplace();
    last.last_good->engine = EngineName{"llamacpp"};
    last.last_good->model = ModelId{"/m.gguf"};
    last.last_good->options["context"] = "1024";
    StartRequest request;
    request.options["parallel"] = "2";
    const auto spec = wish_from("llamacpp", request, last);
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->model.value, "/m.gguf");
    EXPECT_EQ(spec->options.at("context"), "1024");
    EXPECT_EQ(spec->options.at("parallel"), "2");
    const auto other = wish_from("ollama", request, last);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, ErrorCode::unprocessable);
    EXPECT_FALSE(other.error().remedy.empty());
}

TEST(Wish, StartedAgainTakesWhatIsSaidNow) {
    BackendStatus last;
    last.wanted.emplace();
    last.wanted->engine = EngineName{"llamacpp"};
    last.wanted->model = ModelId{"/m.gguf"};
    last.wanted->runtime = "process";
    StartRequest request;
    EXPECT_EQ(wish_from("llamacpp", request, last)->runtime, "process");
    request.runtime = "docker";
    EXPECT_EQ(wish_from("llamacpp", request, last)->runtime, "docker");
    last.wanted->engine = EngineName{"custom"};
    last.wanted->url = "http://127.0.0.1:1/v1";
    request.model = "b";
    request.options["context"] = "1024";
    const auto custom = wish_from("custom", request, last);
    ASSERT_TRUE(custom);
    EXPECT_EQ(custom->url, "http://127.0.0.1:1/v1");
    EXPECT_EQ(custom->model.value, "b");
    EXPECT_EQ(custom->options.at("context"), "1024");
}

TEST(Wish, DoesNotInheritOptionsWhenAModelIsNamed) {
    BackendStatus last;
    last.wanted.emplace();
    last.wanted->engine = EngineName{"llamacpp"};
    last.wanted->model = ModelId{"/m.gguf"};
    last.wanted->options["context"] = "1024";
    StartRequest request;
    request.model = "/n.gguf";
    const auto spec = wish_from("llamacpp", request, last);
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->model.value, "/n.gguf");
    EXPECT_TRUE(spec->options.empty());
}

TEST(Wish, ReadsTheAuthHeaderOfACustomServer) {
    const std::tuple<std::string, std::string, std::string> rows[] = {
        {"Bearer abc", "Authorization", "Bearer abc"},
        {"X-Key: abc", "X-Key", "abc"},
        {"Basic a: b", "Authorization", "Basic a: b"},  // a space is in no header name
        {"abc:def", "Authorization", "abc:def"},
    };
    for (const auto& [given, name, value] : rows) {
        StartRequest request;
        request.url = "http://127.0.0.1:1/v1";
        request.auth_header = given;
        const auto spec = wish_from("custom", request, {});
        ASSERT_TRUE(spec) << given;
        EXPECT_EQ(spec->auth_header_name, name);
        EXPECT_EQ(spec->auth_header_value.reveal(), value);
    }
    StartRequest request;
    request.url = "http://127.0.0.1:1/v1";
    request.auth_header = "a\r\nX: b";
    EXPECT_FALSE(wish_from("custom", request, {}));
    EXPECT_FALSE(wish_from("custom", StartRequest{}, {}));
    request.auth_header = "Bearer x";
    request.model = "m";
    EXPECT_FALSE(wish_from("llamacpp", request, {}));
}

TEST(OperationJson, HasExactlyTheKnownMembers) {
    lifecycle::Operation operation;
    operation.id = OperationId{"o"};
    operation.state = lifecycle::OperationState::rolled_back;
    operation.error =
        lifecycle::OperationError{.code = "x", .detail = "y", .remedy = "", .log_excerpt = ""};
    lifecycle::OperationPhase phase;
    phase.id = "weights";
    phase.unit = "bytes";
    phase.total = 10;
    operation.phases = {phase, {}};
    const Json json = operation_json(operation);
    EXPECT_EQ(json["state"], "rolled_back");
    EXPECT_FALSE(json.contains("finished_at"));
    EXPECT_EQ(json["phases"][0]["total"], 10);
    EXPECT_FALSE(json["phases"][1].contains("total"));
    EXPECT_TRUE(json["phases"][1]["unit"].is_null());
    EXPECT_FALSE(json["error"].contains("remedy"));
}

}  // namespace
}  // namespace nova::recovery

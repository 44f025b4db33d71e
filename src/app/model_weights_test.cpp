#include <filesystem>
#include <fstream>

#include "app/model_weights.hpp"
#include "core/random.hpp"
#include "net/test_server.hpp"
#include "runtime/process_driver.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

class ModelWeightsTest : public ::testing::Test {
protected:
    ModelWeightsTest() : root_{fs::temp_directory_path() / ("nova-weights-" + random_hex(6))} {
        fs::create_directories(root_);
    }

    ~ModelWeightsTest() override { fs::remove_all(root_); }

    Result<engine::ResolvedModel> ensure(std::string engine, std::string model) {
        asio::io_context io{1};
        SystemClock clock;
        Log log{Log::Sink::none, LogLevel::error};
        runtime::ProcessDriverOptions options;
        options.records_folder = (root_ / "instances").string();
        runtime::ProcessDriver driver{io.get_executor(), clock, options};
        catalog::DownloadLimits limits;
        limits.attempts = 1;
        limits.pause = Milliseconds{1};
        ModelWeights weights{{
            .base = root_,
            // Nobody listens there.
            .hub = {.base = *catalog::parse_hub_url("http://127.0.0.1:1"), .token = {}},
            .limits = limits,
            .running_ollama = [] { return std::nullopt; },
            .helper = {
                .executor = io.get_executor(),
                .clock = clock,
                .log = log,
                .drivers = [&driver](runtime::RuntimeKind) { return &driver; },
                .kinds = {runtime::RuntimeKind::process},
                .planner = [](auto&, auto&, auto&) -> Result<lifecycle::Plan> {
                    return fail(ErrorCode::not_found, "There is no Ollama.", "Install it.");
                },
                .install = InstallId{"test"},
            },
        }};
        engine::BackendSpec spec;
        spec.engine = EngineName{std::move(engine)};
        spec.model = ModelId{std::move(model)};
        Result<engine::ResolvedModel> outcome = fail(ErrorCode::internal, "not run");
        net::testing::run_on(io, [&]() -> Task<void> {
            outcome = co_await weights.ensure(spec, [](auto&) {});
            co_await weights.leave();
        });
        return outcome;
    }

    fs::path root_;
};

TEST_F(ModelWeightsTest, SaysWhatIsWrongWithAFileBeforeAnyEngineSeesIt) {
    std::ofstream{root_ / "page.gguf"} << "<!DOCTYPE html><html></html>";
    std::ofstream{root_ / "cut.gguf"} << "GGUF";

    struct Row {
        std::string model;
        ErrorCode code;
    };

    for (const Row& row :
         {Row{(root_ / "missing.gguf").string(), ErrorCode::not_found},
          Row{(root_ / "page.gguf").string(), ErrorCode::unprocessable},
          Row{(root_ / "cut.gguf").string(), ErrorCode::unprocessable},
          Row{"hf.co/org/repo:Q4_K_M", ErrorCode::unavailable},
          Row{"https://127.0.0.1:1/m.gguf", ErrorCode::unavailable}}) {
        const auto result = ensure("llamacpp", row.model);
        ASSERT_FALSE(result) << row.model;
        EXPECT_EQ(result.error().code, row.code) << row.model << ": " << result.error().message;
        EXPECT_FALSE(result.error().message.empty());
        EXPECT_FALSE(result.error().remedy.empty()) << result.error().message;
    }
}

TEST_F(ModelWeightsTest, NamesOtherEnginesUnderstandNeedNoFile) {
    EXPECT_EQ(ensure("ollama", "smollm2:135m").error().message, "There is no Ollama.");
    EXPECT_EQ(ensure("vllm", "org/model")->id.value, "org/model");
    EXPECT_EQ(ensure("custom", "anything")->id.value, "anything");
    EXPECT_EQ(ensure("custom", "")->id.value, "");
}

}  // namespace
}  // namespace nova::app

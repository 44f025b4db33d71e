#include <filesystem>
#include <fstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/model_weights.hpp"
#include "core/random.hpp"

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
        ModelWeights weights{root_};
        engine::BackendSpec spec;
        spec.engine = EngineName{std::move(engine)};
        spec.model = ModelId{std::move(model)};
        Result<engine::ResolvedModel> outcome = fail(ErrorCode::internal, "not run");
        asio::co_spawn(
            io, weights.ensure(std::move(spec), {}),
            [&](std::exception_ptr e, Result<engine::ResolvedModel> result) {
                EXPECT_FALSE(e);
                outcome = std::move(result);
            }
        );
        io.run();
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
          Row{"hf.co/org/repo:Q4_K_M", ErrorCode::unsupported}}) {
        const auto result = ensure("llamacpp", row.model);
        ASSERT_FALSE(result) << row.model;
        EXPECT_EQ(result.error().code, row.code) << row.model << ": " << result.error().message;
        EXPECT_FALSE(result.error().message.empty());
        EXPECT_FALSE(result.error().remedy.empty()) << result.error().message;
    }
}

TEST_F(ModelWeightsTest, NamesOtherEnginesUnderstandNeedNoFile) {
    EXPECT_EQ(ensure("ollama", "smollm2:135m")->id.value, "smollm2:135m");
    EXPECT_EQ(ensure("vllm", "org/model")->id.value, "org/model");
    EXPECT_EQ(ensure("custom", "anything")->id.value, "anything");
    EXPECT_EQ(ensure("custom", "")->id.value, "");
}

}  // namespace
}  // namespace nova::app

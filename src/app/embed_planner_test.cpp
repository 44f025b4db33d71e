#include <algorithm>

#include <gtest/gtest.h>

#include "app/embed_planner.hpp"

namespace nova::app {
namespace {

Result<lifecycle::Plan> plan(const engine::BackendSpec& spec, std::uint64_t trained = 8192) {
    static const auto registry = engine::EngineRegistry::load({}).value();
    hardware::HardwareSnapshot machine;
    machine.cpu.logical_cores = 8;
    machine.cpu.physical_cores = 8;
    machine.gpus.push_back({.index = 0, .vendor = hardware::GpuVendor::nvidia, .name = "H100"});
    const auto planner = make_embed_planner(
        registry, [machine] { return machine; }, {.logs = "/d/logs", .models = "/d/m"}
    );
    const engine::ResolvedModel model{
        .id = ModelId{"e"}, .path = "/models/e.gguf", .size = mib(98), .context_length = trained
    };
    const runtime::InstanceIdentity identity{
        .install = InstallId{"i"},
        .slot = SlotName{"embed"},
        .generation = Generation{7},
        .spec = SpecHash{"h"},
    };
    return planner(spec, model, identity);
}

engine::BackendSpec llamacpp(std::map<std::string, std::string> options = {}) {
    engine::BackendSpec spec;
    spec.engine = EngineName{"llamacpp"};
    spec.model = ModelId{"/models/e.gguf"};
    spec.options = std::move(options);
    return spec;
}

std::string word_behind(const lifecycle::Plan& plan, const std::string& flag) {
    const auto& argv = plan.instance.argv;
    const auto at = std::ranges::find(argv, flag);
    return at == argv.end() || at + 1 == argv.end() ? "" : *(at + 1);
}

TEST(EmbedPlanner, KeepsToTheCpuAndToAQuarterOfIt) {
    const auto planned = plan(llamacpp());
    ASSERT_TRUE(planned) << planned.error().message;
    EXPECT_EQ(planned->instance.name, "nova-llamacpp-embed");
    EXPECT_EQ(planned->instance.log_path, "/d/logs/embed-7.log");
    EXPECT_EQ(word_behind(*planned, "--n-gpu-layers"), "0");
    EXPECT_EQ(word_behind(*planned, "--threads"), "2");
    EXPECT_EQ(word_behind(*planned, "--ctx-size"), "4096");
    EXPECT_EQ(word_behind(*planned, "--parallel"), "4");
    EXPECT_FALSE(word_behind(*planned, "--embeddings").empty());
    EXPECT_EQ(planned->instance.env.at("CUDA_VISIBLE_DEVICES"), "-1");
    EXPECT_EQ(planned->instance.env.at("HIP_VISIBLE_DEVICES"), "-1");
    EXPECT_TRUE(planned->embeds);
}

TEST(EmbedPlanner, TakesNoMoreContextThanTheModelWasTrainedForAndWhatTheUserSays) {
    EXPECT_EQ(word_behind(*plan(llamacpp(), 512), "--ctx-size"), "512");
    const auto asked = plan(llamacpp({{"context", "1024"}, {"threads", "5"}, {"parallel", "1"}}));
    EXPECT_EQ(word_behind(*asked, "--ctx-size"), "1024");
    EXPECT_EQ(word_behind(*asked, "--threads"), "5");
    EXPECT_EQ(word_behind(*asked, "--parallel"), "1");
}

TEST(EmbedPlanner, RefusesWhatHasNoPlaceThere) {
    auto vllm = llamacpp();
    vllm.engine = EngineName{"vllm"};
    for (const auto& spec :
         {vllm, llamacpp({{"gpu_layers", "99"}}), llamacpp({{"embeddings", "off"}})}) {
        const auto planned = plan(spec);
        ASSERT_FALSE(planned);
        EXPECT_EQ(planned.error().code, ErrorCode::unprocessable);
        EXPECT_FALSE(planned.error().remedy.empty());
    }
    EXPECT_TRUE(plan(llamacpp({{"gpu_layers", "0"}, {"embeddings", "on"}})));
    auto unknown = llamacpp();
    unknown.engine = EngineName{"tgi"};
    EXPECT_EQ(plan(unknown).error().code, ErrorCode::not_found);
}

TEST(EmbedPlanner, ACustomServerIsTakenAsItIs) {
    engine::BackendSpec spec;
    spec.engine = EngineName{"custom"};
    spec.url = "http://127.0.0.1:9000/v1";
    const auto planned = plan(spec);
    ASSERT_TRUE(planned) << planned.error().message;
    EXPECT_EQ(planned->probe.endpoint.port, 9000);
    EXPECT_TRUE(planned->instance.env.empty());
}

}  // namespace
}  // namespace nova::app

#include <algorithm>

#include <gtest/gtest.h>

#include "app/launch_planner.hpp"

namespace nova::app {
namespace {

Result<lifecycle::Plan> plan(const engine::BackendSpec& spec) {
    static const auto registry = engine::EngineRegistry::load({}).value();
    const auto planner = make_planner(
        registry, [] { return hardware::HardwareSnapshot{}; }, {.logs = "/d/logs", .models = "/d/m"}
    );
    const engine::ResolvedModel model{
        .id = ModelId{"m"}, .path = "/models/m.gguf", .size = mib(98), .context_length = 8192
    };
    const runtime::InstanceIdentity identity{
        .install = InstallId{"i"},
        .slot = SlotName{"local"},
        .generation = Generation{7},
        .spec = SpecHash{"h"},
    };
    return planner(spec, model, identity);
}

TEST(LaunchPlanner, GivesEachInstanceItsOwnKeyAndLog) {
    engine::BackendSpec spec;
    spec.engine = EngineName{"llamacpp"};
    spec.model = ModelId{"/models/m.gguf"};
    const auto first = plan(spec);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->instance.runtime, runtime::RuntimeKind::process);
    EXPECT_EQ(first->instance.log_path, "/d/logs/local-7.log");
    EXPECT_EQ(first->api_key.size(), 32U);
    EXPECT_EQ(first->probe.auth_header_value.reveal(), "Bearer " + first->api_key);
    EXPECT_TRUE(std::ranges::none_of(first->instance.argv, [&](const std::string& word) {
        return word.find(first->api_key) != std::string::npos;
    })) << "argv is for everybody to see";
    EXPECT_NE(plan(spec)->api_key, first->api_key);
}

TEST(LaunchPlanner, ACustomServerIsAddressedAsTheUserSaid) {
    engine::BackendSpec spec;
    spec.engine = EngineName{"custom"};
    spec.url = "http://127.0.0.1:9000/api/v1";
    spec.auth_header_name = "X-Key";
    spec.auth_header_value = Secret{"s3cret-value"};
    const auto planned = plan(spec);
    ASSERT_TRUE(planned) << planned.error().message;
    EXPECT_EQ(planned->instance.runtime, runtime::RuntimeKind::external);
    EXPECT_TRUE(planned->probe.external);
    EXPECT_EQ(planned->probe.endpoint.port, 9000);
    EXPECT_EQ(planned->probe.base_path, "/api/v1");
    EXPECT_EQ(planned->probe.auth_header_name, "X-Key");
    EXPECT_EQ(planned->probe.auth_header_value.reveal(), "s3cret-value");
}

TEST(LaunchPlanner, PutsAnEngineIntoAContainerWithTheImageThatIsSet) {
    static const auto registry = engine::EngineRegistry::load({}).value();
    engine::BackendSpec spec;
    spec.engine = EngineName{"llamacpp"};
    spec.runtime = "docker";
    std::string set;
    const auto planner = make_planner(
        registry, [] { return hardware::HardwareSnapshot{}; },
        {.logs = "/d/logs", .models = "/d/m"}, [&set](const EngineName&) { return set; }
    );
    const engine::ResolvedModel model{.id = {"m"}, .path = "/models/m.gguf", .size = {}};
    const runtime::InstanceIdentity identity{{"i"}, {"local"}, {7}, {"h"}};
    const auto usual = planner(spec, model, identity);
    ASSERT_TRUE(usual) << usual.error().message;
    EXPECT_EQ(usual->instance.runtime, runtime::RuntimeKind::docker);
    EXPECT_EQ(usual->instance.image, registry.find("llamacpp")->images.at("cpu"));
    EXPECT_EQ(usual->instance.container.port, 8080);
    set = "127.0.0.1:5000/llamacpp:mine";
    EXPECT_EQ(planner(spec, model, identity)->instance.image, set);
}

TEST(LaunchPlanner, RefusesWhatDoesNotExistWithARemedy) {
    struct Row {
        std::string engine;
        std::string runtime;
        ErrorCode code;
    };

    for (const Row& row :
         {Row{"tgi", "auto", ErrorCode::not_found}, Row{"llamacpp", "lxc", ErrorCode::unprocessable}
         }) {
        engine::BackendSpec spec;
        spec.engine = EngineName{row.engine};
        spec.runtime = row.runtime;
        spec.model = ModelId{"/models/m.gguf"};
        const auto planned = plan(spec);
        ASSERT_FALSE(planned) << row.engine;
        EXPECT_EQ(planned.error().code, row.code) << planned.error().message;
        EXPECT_FALSE(planned.error().remedy.empty());
    }
}

TEST(LaunchPlanner, SaysWhetherTheServerAnswersEmbeddings) {
    struct Row {
        std::string engine;
        std::map<std::string, std::string> options;
        bool embeds;
    };

    for (const Row& row :
         {Row{"llamacpp", {}, true}, Row{"llamacpp", {{"embeddings", "off"}}, false},
          Row{"ollama", {}, true}, Row{"vllm", {}, false}, Row{"sglang", {}, false}}) {
        engine::BackendSpec spec;
        spec.engine = EngineName{row.engine};
        spec.model = ModelId{"m"};
        spec.options = row.options;
        const auto planned = plan(spec);
        ASSERT_TRUE(planned) << planned.error().message;
        EXPECT_EQ(planned->embeds, row.embeds) << row.engine;
        EXPECT_EQ(planned->instance.name, "nova-" + row.engine);
    }
}

}  // namespace
}  // namespace nova::app

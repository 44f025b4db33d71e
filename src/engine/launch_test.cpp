// Golden launches: engine x hardware -> the exact command, reviewed like code; and refusals.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/engine_registry.hpp"
#include "engine/launch.hpp"

namespace nova::engine {
namespace {

hardware::HardwareSnapshot machine(unsigned gpus) {
    hardware::HardwareSnapshot snapshot;
    snapshot.cpu.logical_cores = 16;
    snapshot.cpu.physical_cores = 8;
    snapshot.ram = gib(64);
    for (unsigned i = 0; i < gpus; ++i) {
        hardware::GpuDevice gpu;
        gpu.index = i;
        gpu.vendor = hardware::GpuVendor::nvidia;
        gpu.name = "NVIDIA GeForce RTX 4090";
        gpu.vram = gib(24);
        snapshot.gpus.push_back(gpu);
    }
    return snapshot;
}

LaunchPlace place_for(runtime::RuntimeKind kind) {
    LaunchPlace place;
    place.identity = {{"install"}, {"local"}, {7}, {"0123456789abcdef"}};
    place.runtime = kind;
    place.name = "nova-test";
    place.log_path = "/data/logs/run.log";
    place.models_folder = "/data/models";
    place.api_key = "random-key";
    return place;
}

std::string render(const Result<runtime::InstanceSpec>& planned) {
    if (!planned) {
        return fmt::format(
            "error {}\n{}\n{}\n", planned.error().name(), planned.error().message,
            planned.error().remedy
        );
    }
    std::string out = fmt::format(
        "runtime {}\nprogram {}\nimage {}\naccelerator {}\n", word(planned->runtime),
        planned->program, planned->image, planned->accelerator
    );
    for (const auto& mount : planned->mounts) {
        out += fmt::format("mount {} -> {}\n", mount.host_path, mount.container_path);
    }
    for (const auto& [name, value] : planned->env) {
        out += fmt::format("env {}={}\n", name, value);
    }
    for (const auto& name : planned->secret_env) {
        out += fmt::format("secret {}\n", name);
    }
    for (const auto& text : planned->argv) {
        out += fmt::format("arg {}\n", text);
    }
    return out +
           fmt::format("stop signal {} grace {}s\n", planned->stop_signal, planned->grace.count());
}

const EngineRegistry& registry() {
    static const EngineRegistry loaded = EngineRegistry::load("").value();
    return loaded;
}

struct Row {
    std::string engine;
    runtime::RuntimeKind runtime;
    unsigned gpus;

    std::string name() const { return fmt::format("{}_{}_{}gpu", engine, word(runtime), gpus); }
};

class GoldenLaunch : public testing::TestWithParam<Row> {};

ResolvedModel model_for(const EngineSpec& engine) {
    if (engine.name.value == "llamacpp") {
        return {{"smol"}, "/data/models/smol.gguf", {98'000'000}, 8192};
    }
    if (engine.name.value == "ollama") {
        return {{"smollm2:135m"}, "", {}, 0};
    }
    return {{"Qwen/Qwen2.5-7B-Instruct"}, "/data/models/huggingface/qwen", {}, 32768};
}

TEST_P(GoldenLaunch, IsWhatTheFileSays) {
    const EngineSpec* engine = registry().find(GetParam().engine);
    ASSERT_NE(engine, nullptr);
    BackendSpec backend;
    backend.engine = engine->name;
    const std::string text = render(plan_launch(
        *engine, backend, model_for(*engine), machine(GetParam().gpus),
        place_for(GetParam().runtime)
    ));
    const std::string path = fmt::format("{}/{}.golden", NOVA_TESTDATA, GetParam().name());
    if (std::getenv("NOVA_UPDATE_GOLDEN") != nullptr) {
        std::ofstream{path} << text;
    }
    std::ifstream in{path};
    std::ostringstream golden;
    golden << in.rdbuf();
    EXPECT_EQ(text, golden.str()) << "NOVA_UPDATE_GOLDEN=1 rewrites " << path;
}

std::vector<Row> rows() {
    using runtime::RuntimeKind;
    std::vector<Row> result;
    for (const unsigned gpus : {0U, 1U, 2U}) {
        result.push_back({"llamacpp", RuntimeKind::process, gpus});
        result.push_back({"llamacpp", RuntimeKind::docker, gpus});
        result.push_back({"ollama", RuntimeKind::process, gpus});
        result.push_back({"ollama", RuntimeKind::docker, gpus});
        result.push_back({"vllm", RuntimeKind::docker, gpus});
        result.push_back({"sglang", RuntimeKind::docker, gpus});
    }
    return result;
}

INSTANTIATE_TEST_SUITE_P(All, GoldenLaunch, testing::ValuesIn(rows()), [](const auto& row) {
    return row.param.name();
});

Result<runtime::InstanceSpec>
plan_llama(std::map<std::string, std::string> options, std::uint64_t trained = 8192) {
    const EngineSpec* engine = registry().find("llamacpp");
    BackendSpec backend;
    backend.engine = engine->name;
    backend.options = std::move(options);
    return plan_launch(
        *engine, backend, {{"m"}, "/m.gguf", {}, trained}, machine(0),
        place_for(runtime::RuntimeKind::process)
    );
}

std::string after(const std::vector<std::string>& argv, const std::string& flag) {
    for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
        if (argv[i] == flag) {
            return argv[i + 1];
        }
    }
    return "absent";
}

TEST(PlanLaunch, LetsTheUsersOptionsWinOverTheDefaults) {
    const auto planned = plan_llama({{"context", "4096"}, {"threads", "3"}, {"embeddings", "off"}});
    ASSERT_TRUE(planned);
    EXPECT_EQ(after(planned->argv, "--ctx-size"), "4096");
    EXPECT_EQ(after(planned->argv, "--threads"), "3");
    EXPECT_EQ(after(planned->argv, "--pooling"), "absent");
}

TEST(PlanLaunch, LowersTheDefaultContextToWhatTheModelWasTrainedFor) {
    EXPECT_EQ(after(plan_llama({}, 2048)->argv, "--ctx-size"), "2048");
    EXPECT_EQ(after(plan_llama({}, 0)->argv, "--ctx-size"), "8192");
}

TEST(PlanLaunch, RefusesWhatIsNotOnTheListOrOutOfBounds) {
    const std::vector<std::pair<std::string, std::string>> bad{
        {"contxt", "1"},
        {"context", "many"},
        {"context", "1"},
        {"context", "99999999999999999999"},
        {"parallel", "0"},
        {"embeddings", "maybe"},
        {"flag.model", "/etc/x"},
        {"flag.numa", "--port"},
        {"flag.numa", "a/b"},
        {"flag.seed", "1x"},
        {"flag.swa-full", "perhaps"},
        {"flag.rope-scale", "wide"},
    };
    for (const auto& [name, value] : bad) {
        const auto planned = plan_llama({{name, value}});
        ASSERT_FALSE(planned) << name << "=" << value;
        EXPECT_EQ(planned.error().code, ErrorCode::unprocessable) << name;
        EXPECT_NE(
            planned.error().message.find(name.starts_with("flag.") ? name.substr(5) : name),
            std::string::npos
        ) << planned.error().message;
    }
}

TEST(PlanLaunch, AppendsAllowedFlagsBehindItsOwn) {
    const auto planned = plan_llama({{"flag.seed", "7"}, {"flag.swa-full", "on"}});
    ASSERT_TRUE(planned);
    EXPECT_EQ(after(planned->argv, "--seed"), "7");
    EXPECT_EQ(planned->argv.back(), "--swa-full");
}

TEST(PlanLaunch, PlansNothingForAServerOfSomebodyElse) {
    BackendSpec backend;
    backend.engine = {"custom"};
    backend.url = "https://[::1]:8443/api/";
    const auto planned = plan_launch(
        *registry().find("custom"), backend, {}, machine(0),
        place_for(runtime::RuntimeKind::external)
    );
    ASSERT_TRUE(planned);
    EXPECT_EQ(planned->listen, (Endpoint{.host = "::1", .port = 8443, .tls = true}));
    EXPECT_TRUE(planned->program.empty());
}

}  // namespace
}  // namespace nova::engine

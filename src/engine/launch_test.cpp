// Golden launches: engine x hardware -> the exact command or create request, reviewed like code;
// and refusals.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/checkout.hpp"
#include "engine/engine_registry.hpp"
#include "engine/launch.hpp"
#include "runtime/docker_create.hpp"

namespace nova::engine {
namespace {

using hardware::GpuDevice;
using hardware::GpuVendor;

struct Machine {
    const char* name;
    unsigned gpus;
    GpuDevice gpu;  // each of them
    hardware::DockerGpuRuntime runtime = hardware::DockerGpuRuntime::nvidia;
    bool cdi = false;
};

const Machine kMachines[] = {
    {"no_gpu", 0, {}, hardware::DockerGpuRuntime::none},
    {"nvidia_1x24",
     1,
     {.vendor = GpuVendor::nvidia,
      .name = "NVIDIA GeForce RTX 4090",
      .vram = gib(24),
      .driver = "590.44.01",
      .compute_capability = "8.9"}},
    {"nvidia_2x24",
     2,
     {.vendor = GpuVendor::nvidia,
      .name = "NVIDIA GeForce RTX 3090",
      .vram = gib(24),
      .driver = "590.44.01",
      .compute_capability = "8.6"}},
    {"nvidia_8x80",
     8,
     {.vendor = GpuVendor::nvidia,
      .name = "NVIDIA H100 80GB HBM3",
      .vram = gib(80),
      .driver = "590.44.01",
      .compute_capability = "9.0"}},
    {"nvidia_1x6",
     1,
     {.vendor = GpuVendor::nvidia,
      .name = "NVIDIA GeForce GTX 1660",
      .vram = gib(6),
      .driver = "590.44.01",
      .compute_capability = "7.5"}},
    {"amd_24",
     1,
     {.vendor = GpuVendor::amd,
      .name = "Radeon RX 7900 XTX",
      .vram = gib(24),
      .driver = "6.8.5",
      .compute_capability = "gfx1100"},
     hardware::DockerGpuRuntime::rocm},
    {"gb10",
     1,
     {.vendor = GpuVendor::nvidia,
      .name = "NVIDIA GB10",
      .driver = "590.44.01",
      .compute_capability = "12.1",
      .unified_memory = true},
     hardware::DockerGpuRuntime::nvidia,
     true},
    {"wsl2",
     1,
     {.vendor = GpuVendor::nvidia,
      .name = "NVIDIA GeForce RTX 4070 Laptop GPU",
      .vram = mib(8188),
      .driver = "591.10",
      .compute_capability = "8.9"}},
};

hardware::HardwareSnapshot snapshot_of(const Machine& machine) {
    hardware::HardwareSnapshot snapshot;
    snapshot.cpu.logical_cores = 16;
    snapshot.cpu.physical_cores = 8;
    snapshot.ram = gib(64);
    snapshot.docker_gpu_runtime = machine.runtime;
    for (unsigned i = 0; i < machine.gpus; ++i) {
        GpuDevice gpu = machine.gpu;
        gpu.index = i;
        gpu.uuid = fmt::format("GPU-{}", i);
        snapshot.gpus.push_back(std::move(gpu));
    }
    return snapshot;
}

hardware::HardwareSnapshot machine(unsigned gpus) {
    return snapshot_of(gpus == 0 ? kMachines[0] : gpus == 1 ? kMachines[1] : kMachines[2]);
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

// What Docker is asked for, whole, and what the plan knows beyond that.
std::string render_request(const Result<runtime::InstanceSpec>& planned, const Machine& machine) {
    if (!planned) {
        return render(planned);
    }
    runtime::ContainerHost host;
    host.cdi = machine.cdi;
    if (machine.runtime == hardware::DockerGpuRuntime::rocm) {
        host.rocm_devices = {"/dev/kfd", "/dev/dri/card0", "/dev/dri/renderD128"};
        host.rocm_groups = {44, 105};
    }
    return fmt::format(
        "POST /containers/create?name={}\n{}\nsecret {}\nimage takes about {} GiB\n", planned->name,
        runtime::docker_create_request(*planned, host).dump(1), fmt::join(planned->secret_env, " "),
        planned->container.image_size.count >> 30U
    );
}

const EngineRegistry& registry() {
    static const EngineRegistry loaded = EngineRegistry::load("").value();
    return loaded;
}

struct Row {
    std::string engine;
    runtime::RuntimeKind runtime;
    const Machine* machine;

    std::string name() const {
        return fmt::format("{}_{}_{}", engine, word(runtime), machine->name);
    }
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
    const auto planned = plan_launch(
        *engine, backend, model_for(*engine), snapshot_of(*GetParam().machine),
        place_for(GetParam().runtime)
    );
    const std::string text = GetParam().runtime == runtime::RuntimeKind::docker
                                 ? render_request(planned, *GetParam().machine)
                                 : render(planned);
    const auto path = checkout() / "src/engine/testdata" / (GetParam().name() + ".golden");
    if (std::getenv("NOVA_UPDATE_GOLDEN") != nullptr) {
        std::ofstream{path} << text;
    }
    std::ifstream in{path};
    std::ostringstream golden;
    golden << in.rdbuf();
    EXPECT_EQ(text, golden.str()) << "NOVA_UPDATE_GOLDEN=1 rewrites " << path;
}

// Every engine on every kind of machine; natively where it differs.
std::vector<Row> rows() {
    using runtime::RuntimeKind;
    std::vector<Row> result;
    for (const char* engine : {"llamacpp", "ollama", "sglang", "vllm"}) {
        for (const Machine& machine : kMachines) {
            result.push_back({engine, RuntimeKind::docker, &machine});
        }
        for (const Machine* machine : {&kMachines[0], &kMachines[1], &kMachines[2]}) {
            result.push_back({engine, RuntimeKind::process, machine});
        }
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

runtime::InstanceSpec
plan_vllm(const char* model, BackendSpec backend, LaunchPlace place, const Machine& machine) {
    const EngineSpec* engine = registry().find("vllm");
    backend.engine = engine->name;
    const auto planned =
        plan_launch(*engine, backend, {{model}, "", {}, 0}, snapshot_of(machine), place);
    EXPECT_TRUE(planned) << planned.error().message;
    return planned.value_or(runtime::InstanceSpec{});
}

std::size_t count(const std::vector<std::string>& argv, std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count(argv, text));
}

TEST(PlanLaunch, KnowsHowFamiliesCallToolsAndThink) {
    const LaunchPlace place = place_for(runtime::RuntimeKind::docker);

    struct Family {
        const char* model;
        const char* tools;
        const char* reasoning;
    };

    const Family families[] = {
        {"Qwen/Qwen2.5-7B-Instruct", "hermes", "absent"},
        {"Qwen/Qwen3-8B", "hermes", "qwen3"},
        {"Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_coder", "absent"},
        {"meta-llama/Llama-3.1-8B-Instruct", "llama3_json", "absent"},
        {"openai/gpt-oss-20b", "openai", "openai_gptoss"},
        {"deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "absent", "deepseek_r1"},
        {"mistralai/Mistral-7B-Instruct-v0.3", "mistral", "absent"},
        {"somebody/unheard-of", "absent", "absent"},
    };
    for (const Family& family : families) {
        const auto argv = plan_vllm(family.model, {}, place, kMachines[1]).argv;
        EXPECT_EQ(after(argv, "--tool-call-parser"), family.tools) << family.model;
        EXPECT_EQ(after(argv, "--reasoning-parser"), family.reasoning) << family.model;
        EXPECT_EQ(count(argv, "--enable-auto-tool-choice"), family.tools[0] == 'a' ? 0U : 1U);
    }
}

TEST(PlanLaunch, LeavesToTheUserWhatTheUserSets) {
    BackendSpec backend;
    backend.options = {
        {"flag.tool-call-parser", "pythonic"}, {"flag.gpu-memory-utilization", "0.5"}
    };
    const auto argv =
        plan_vllm("Qwen/Qwen3-8B", backend, place_for(runtime::RuntimeKind::docker), kMachines[1])
            .argv;
    EXPECT_EQ(count(argv, "--tool-call-parser"), 1U);
    EXPECT_EQ(after(argv, "--tool-call-parser"), "pythonic");
    EXPECT_EQ(count(argv, "--gpu-memory-utilization"), 1U);
    EXPECT_EQ(after(argv, "--gpu-memory-utilization"), "0.5");
    EXPECT_EQ(after(argv, "--reasoning-parser"), "qwen3");
}

TEST(PlanLaunch, TakesNoMoreOfTheGpuThanIsFree) {
    LaunchPlace place = place_for(runtime::RuntimeKind::docker);
    place.gpus = {
        {.index = 0, .vram_used = gib(12), .vram_total = gib(24)},
        {.index = 0,
         .vendor = hardware::GpuVendor::amd,
         .vram_used = mib(400),
         .vram_total = mib(512)}
    };
    EXPECT_EQ(
        after(plan_vllm("a/b", {}, place, kMachines[1]).argv, "--gpu-memory-utilization"), "0.47"
    );
}

TEST(PlanLaunch, GivesTheHubsTokenOnlyToWhatFetchesAndNeverInArgv) {
    LaunchPlace place = place_for(runtime::RuntimeKind::docker);
    place.hub_token = "hf_secret";
    const auto fetching = plan_vllm("a/b", {}, place, kMachines[1]);
    EXPECT_EQ(fetching.env.at("HF_TOKEN"), "hf_secret");
    EXPECT_EQ(fetching.env.at("HF_HUB_OFFLINE"), "0");
    EXPECT_EQ(count(fetching.secret_env, "HF_TOKEN"), 1U);
    EXPECT_EQ(count(fetching.argv, "hf_secret"), 0U);
    const EngineSpec* engine = registry().find("vllm");
    BackendSpec backend;
    backend.engine = engine->name;
    const auto local =
        plan_launch(*engine, backend, model_for(*engine), snapshot_of(kMachines[1]), place);
    ASSERT_TRUE(local);
    EXPECT_FALSE(local->env.contains("HF_TOKEN"));
    EXPECT_EQ(local->env.at("HF_HUB_OFFLINE"), "1");
}

TEST(PlanLaunch, TakesAnImageOfTheUsersOwnWithoutTheLimitsOfOurs) {
    const EngineSpec& engine = *registry().find("sglang");
    BackendSpec backend;
    backend.engine = engine.name;
    LaunchPlace place = place_for(runtime::RuntimeKind::docker);
    EXPECT_FALSE(plan_launch(engine, backend, model_for(engine), machine(0), place));
    place.image = "mine:1";
    const auto planned = plan_launch(engine, backend, model_for(engine), machine(0), place);
    ASSERT_TRUE(planned) << planned.error().message;
    EXPECT_EQ(planned->image, "mine:1");
}

TEST(PlanLaunch, ComputesInHalfPrecisionOnOldDevices) {
    const LaunchPlace place = place_for(runtime::RuntimeKind::docker);
    EXPECT_EQ(after(plan_vllm("a/b", {}, place, kMachines[4]).argv, "--dtype"), "half");
    EXPECT_EQ(after(plan_vllm("a/b", {}, place, kMachines[1]).argv, "--dtype"), "absent");
}

TEST(PlanLaunch, NamesDevicesWhereTheEngineWouldTakeOthers) {
    Machine uneven = kMachines[1];
    const EngineSpec* engine = registry().find("vllm");
    BackendSpec backend;
    backend.engine = engine->name;
    auto snapshot = snapshot_of(uneven);
    snapshot.gpus.push_back(
        {.index = 1,
         .vendor = GpuVendor::nvidia,
         .name = "NVIDIA T400",
         .vram = gib(4),
         .uuid = "GPU-1",
         .compute_capability = "7.5"}
    );
    const auto plan = [&](runtime::RuntimeKind kind) {
        return plan_launch(*engine, backend, model_for(*engine), snapshot, place_for(kind)).value();
    };
    EXPECT_EQ(plan(runtime::RuntimeKind::process).env.at("CUDA_VISIBLE_DEVICES"), "GPU-0");
    const auto container = plan(runtime::RuntimeKind::docker);
    EXPECT_EQ(container.container.gpus, std::vector<std::string>{"GPU-0"});
    EXPECT_FALSE(container.env.contains("CUDA_VISIBLE_DEVICES"));
}

TEST(PlanLaunch, KnowsWhoUsesAGpu) {
    const EngineSpec& engine = *registry().find("llamacpp");
    BackendSpec backend;
    backend.engine = engine.name;
    using runtime::RuntimeKind;
    EXPECT_TRUE(uses_gpu(engine, backend, machine(1), RuntimeKind::docker));
    EXPECT_FALSE(uses_gpu(engine, backend, machine(0), RuntimeKind::docker));
    backend.options["gpu_layers"] = "0";
    EXPECT_FALSE(uses_gpu(engine, backend, machine(1), RuntimeKind::docker));
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

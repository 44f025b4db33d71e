// Two engines beside each other only where both fit, by figures of the moment.
#include <fstream>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/memory_admission.hpp"
#include "catalog/gguf_builder.hpp"
#include "core/run_task.hpp"

namespace nova::app {
namespace {

catalog::MemoryEstimate needs(Bytes high) {
    catalog::MemoryEstimate estimate;
    estimate.high = high;
    return estimate;
}

TEST(MemoryAdmission, KeepsAReserveOfRamFree) {
    const auto estimate = needs(mib(500));
    EXPECT_TRUE(fits_beside(estimate, {.ram = mib(800)}, Pool::ram).admits);
    EXPECT_FALSE(fits_beside(estimate, {.ram = mib(700)}, Pool::ram).admits);
    EXPECT_FALSE(fits_beside(estimate, {.ram = mib(100)}, Pool::ram).admits);
}

TEST(MemoryAdmission, CountsTheGpuWhereTheModelGoesThere) {
    const FreeMemory free{.ram = mib(100), .gpu = mib(600)};
    EXPECT_TRUE(fits_beside(needs(mib(500)), free, Pool::gpu).admits);
    EXPECT_FALSE(fits_beside(needs(mib(700)), free, Pool::gpu).admits);
}

TEST(MemoryAdmission, RefusesWhatCannotBeMeasuredAndSaysSo) {
    const auto answer = fits_beside(needs(mib(1)), {}, Pool::gpu);
    EXPECT_FALSE(answer.admits);
    EXPECT_NE(answer.why.find("cannot be read"), std::string::npos) << answer.why;
}

TEST(MemoryAdmission, NamesBothFigures) {
    const auto answer = fits_beside(needs(mib(512)), {.ram = gib(2)}, Pool::ram);
    EXPECT_EQ(answer.why, "the new one needs up to 512 MiB, and 2.0 GiB are free in RAM");
}

class Admission : public testing::Test {
protected:
    Admission() {
        catalog::GgufBuilder file;
        file.text("general.architecture", "llama");
        file.u32("llama.block_count", 2).u32("llama.context_length", 4096);
        file.u32("llama.embedding_length", 64).u32("llama.feed_forward_length", 128);
        file.u32("llama.attention.head_count", 4);
        path = testing::TempDir() + "admission.gguf";
        std::ofstream{path, std::ios::binary} << file.build();
        machine.gpus = {
            {.vendor = hardware::GpuVendor::nvidia, .name = "NVIDIA Example", .vram = gib(24)}
        };
    }

    lifecycle::MemoryAnswer admits(const std::string& runtime, const MeasuredMemory& memory) {
        engine::BackendSpec spec;
        spec.engine = {"llamacpp"};
        spec.runtime = runtime;
        lifecycle::MemoryAnswer answer;
        const engine::ResolvedModel model{.id = {"m"}, .path = path, .size = {}};
        run_task(context, [&]() -> Task<void> {
            auto asked = memory;
            answer = co_await asked.admits(spec, model);
        }());
        return answer;
    }

    MeasuredMemory measured() {
        return {
            registry, [this]() -> Task<FreeMemory> { co_return free; }, [this] { return machine; }
        };
    }

    asio::io_context context;
    engine::EngineRegistry registry = engine::EngineRegistry::load("").value();
    hardware::HardwareSnapshot machine;
    FreeMemory free;
    std::string path;
};

TEST_F(Admission, OfAContainerWithAGpuIsByTheGpu) {
    free = {.ram = mib(10), .gpu = gib(20)};
    EXPECT_TRUE(admits("docker", measured()).admits);
    free = {.ram = gib(20), .gpu = mib(1)};
    EXPECT_FALSE(admits("docker", measured()).admits);
}

// Built without CUDA it computes in RAM, whatever the machine has.
TEST_F(Admission, OfANativeProgramIsByBoth) {
    free = {.ram = mib(10), .gpu = gib(20)};
    const auto answer = admits("process", measured());
    EXPECT_FALSE(answer.admits);
    EXPECT_NE(answer.why.find("in RAM"), std::string::npos) << answer.why;
    free.ram = gib(20);
    EXPECT_TRUE(admits("process", measured()).admits);
}

TEST_F(Admission, PassesOverAGpuThatIsTooSmallToBeUsed) {
    machine.gpus = {{.vendor = hardware::GpuVendor::amd, .name = "iGPU", .vram = mib(512)}};
    free = {.ram = gib(20), .gpu = mib(100)};
    EXPECT_TRUE(admits("process", measured()).admits);
}

TEST_F(Admission, WithoutGpusIsByRam) {
    EXPECT_EQ(read_ram().gpu, std::nullopt);
    const auto answer = admits("process", memory_without_gpus(registry));
    EXPECT_NE(answer.why.find("in RAM"), std::string::npos) << answer.why;
}

TEST(MemoryAdmission, TakesTheShapeFromTheWishOverTheEnginesDefaults) {
    engine::EngineSpec engine;
    engine.argv = {"--kv-unified"};
    engine.option_defaults = {{"context", "8192"}, {"parallel", "4"}};
    engine::BackendSpec spec;
    const engine::ResolvedModel model{
        .id = {"m"}, .path = "/m.gguf", .size = {}, .context_length = 2048
    };
    auto shape = serving_shape(engine, spec, model, catalog::Placement::cpu);
    EXPECT_EQ(shape.context, 2048U);
    EXPECT_EQ(shape.sequences, 4U);
    EXPECT_EQ(shape.sharing, catalog::CacheSharing::one_pool);
    spec.options = {{"context", "16384"}, {"parallel", "1"}};
    shape = serving_shape(engine, spec, model, catalog::Placement::gpu);
    EXPECT_EQ(shape.context, 16384U);
    EXPECT_EQ(shape.sequences, 1U);
    EXPECT_EQ(shape.key_cache, catalog::CacheType::f16);
    EXPECT_EQ(shape.window_cache, catalog::WindowCache::window);
    spec.options = {
        {"flag.cache-type-k", "q8_0"}, {"flag.cache-type-v", "new"}, {"flag.swa-full", "on"}
    };
    shape = serving_shape(engine, spec, model, catalog::Placement::cpu);
    EXPECT_EQ(shape.key_cache, catalog::CacheType::q8_0);
    EXPECT_EQ(shape.value_cache, catalog::CacheType::f32) << "not known: the largest";
    EXPECT_EQ(shape.window_cache, catalog::WindowCache::whole);
}

}  // namespace
}  // namespace nova::app

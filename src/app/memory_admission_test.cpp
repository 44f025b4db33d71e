// Two engines beside each other only where both fit, by figures of the moment.
#include <gtest/gtest.h>

#include "app/memory_admission.hpp"

namespace nova::app {
namespace {

catalog::MemoryEstimate needs(Bytes high) {
    catalog::MemoryEstimate estimate;
    estimate.high = high;
    return estimate;
}

TEST(MemoryAdmission, KeepsAReserveOfRamFree) {
    const auto estimate = needs(mib(500));
    EXPECT_TRUE(fits_beside(estimate, {.ram = mib(800), .gpu = {}}).admits);
    EXPECT_FALSE(fits_beside(estimate, {.ram = mib(700), .gpu = {}}).admits);
    EXPECT_FALSE(fits_beside(estimate, {.ram = mib(100), .gpu = {}}).admits);
}

TEST(MemoryAdmission, CountsTheGpuWhereTheModelGoesThere) {
    const FreeMemory free{.ram = mib(100), .gpu = mib(600), .gpus = true};
    EXPECT_TRUE(fits_beside(needs(mib(500)), free).admits);
    EXPECT_FALSE(fits_beside(needs(mib(700)), free).admits);
}

TEST(MemoryAdmission, RefusesWhatCannotBeMeasuredAndSaysSo) {
    const auto answer = fits_beside(needs(mib(1)), {.ram = {}, .gpu = {}, .gpus = true});
    EXPECT_FALSE(answer.admits);
    EXPECT_NE(answer.why.find("cannot be read"), std::string::npos) << answer.why;
}

TEST(MemoryAdmission, NamesBothFigures) {
    const auto answer = fits_beside(needs(mib(512)), {.ram = gib(2), .gpu = {}});
    EXPECT_EQ(answer.why, "the new one needs up to 512 MiB, and 2.0 GiB are free in RAM");
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
}

}  // namespace
}  // namespace nova::app

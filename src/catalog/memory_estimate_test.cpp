// Estimates against measured figures (llama-fit-params) and published cache sizes.
#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>

#include "catalog/gguf_builder.hpp"
#include "catalog/memory_estimate.hpp"

namespace nova::catalog {
namespace {

const MemoryItem& find(const MemoryEstimate& estimate, std::string_view name) {
    for (const MemoryItem& item : estimate.items) {
        if (item.name == name) {
            return item;
        }
    }
    static const MemoryItem kNone{};
    return kNone;
}

GgufFacts smol() {
    const std::string file = small_llama().build();
    MemoryBytes source{bytes_of(file)};
    return read_gguf(source, "smol.gguf").value();
}

ServingShape one_stream(std::uint64_t context) {
    return {.context = context, .sequences = 1};
}

// Columns: llama-fit-params -m SmolLM2-135M-Instruct.Q4_1.gguf ... --fit-print on (MiB).
struct Measured {
    const char* arguments;
    ServingShape shape;
    std::uint64_t cache_mib;
    std::uint64_t compute_mib;
};

TEST(MemoryEstimate, AgreesWithLlamaCppAboutSmolLm2) {
    const Measured rows[] = {
        {"-c 8192", {.context = 8192, .sequences = 1}, 180, 109},
        {"-c 2048", {.context = 2048, .sequences = 1}, 45, 104},
        {"-c 32768", {.context = 32768, .sequences = 1}, 720, 133},
        {"-c 8192 -np 4", {.context = 8192, .sequences = 4}, 180, 104},
        {"-c 8192 -ub 256", {.context = 8192, .sequences = 1, .micro_batch = 256}, 180, 54},
        {"-c 8192 -ctk q8_0 -ctv q8_0",
         {.context = 8192,
          .sequences = 1,
          .key_cache = CacheType::q8_0,
          .value_cache = CacheType::q8_0},
         95,
         109},
    };
    for (const Measured& row : rows) {
        const auto estimate = estimate_memory(smol(), row.shape);
        const auto& cache = find(estimate, "kv_cache");
        EXPECT_EQ(cache.likely.count >> 20U, row.cache_mib) << row.arguments;
        EXPECT_EQ(cache.low, cache.high) << row.arguments;
        const auto compute = find(estimate, "compute").likely.count >> 20U;
        EXPECT_NEAR(static_cast<double>(compute), static_cast<double>(row.compute_mib), 2.0)
            << row.arguments;
    }
    // -fa off was measured at 167 MiB of compute: inside the range.
    EXPECT_GE(find(estimate_memory(smol(), one_stream(8192)), "compute").high, mib(167));
}

TEST(MemoryEstimate, AddsItsItemsUp) {
    const auto estimate = estimate_memory(smol(), {});
    Bytes low;
    Bytes likely;
    Bytes high;
    for (const MemoryItem& item : estimate.items) {
        EXPECT_LE(item.low, item.likely) << item.name;
        EXPECT_LE(item.likely, item.high) << item.name;
        EXPECT_FALSE(item.how.empty()) << item.name;
        low = low + item.low;
        likely = likely + item.likely;
        high = high + item.high;
    }
    EXPECT_EQ(estimate.low, low);
    EXPECT_EQ(estimate.likely, likely);
    EXPECT_EQ(estimate.high, high);
    EXPECT_EQ(find(estimate, "weights").likely, Bytes{416});
    EXPECT_TRUE(estimate.notes.empty());
}

TEST(MemoryEstimate, CountsAGpusOwnContext) {
    ServingShape shape;
    const auto cpu = find(estimate_memory(smol(), shape), "program");
    shape.placement = Placement::gpu;
    EXPECT_GT(find(estimate_memory(smol(), shape), "program").likely, cpu.likely);
}

// Bytes of cache per token of a model with these facts, published figures at f16.
struct Published {
    const char* model;
    GgufFacts facts;
    std::uint64_t bytes_per_token;
};

TEST(MemoryEstimate, AgreesWithPublishedCacheSizes) {
    const Published rows[] = {
        {"Qwen2.5-7B",
         {.architecture = "qwen2",
          .block_count = 28,
          .embedding_length = 3584,
          .attention = {.head_count = {28}, .head_count_kv = {4}}},
         57'344},
        {"Llama-3.1-8B",
         {.architecture = "llama",
          .block_count = 32,
          .embedding_length = 4096,
          .attention = {.head_count = {32}, .head_count_kv = {8}}},
         131'072},
        {"Qwen3-30B-A3B, heads wider than embedding/heads",
         {.architecture = "qwen3moe",
          .block_count = 48,
          .embedding_length = 2048,
          .attention =
              {.head_count = {32}, .head_count_kv = {4}, .key_length = 128, .value_length = 128}},
         98'304},
        {"DeepSeek V3, compressed rows",
         {.architecture = "deepseek2",
          .block_count = 61,
          .embedding_length = 7168,
          .attention =
              {.head_count = {128},
               .head_count_kv = {1},
               .key_length = 576,
               .value_length = 512,
               .key_length_mla = 192,
               .kv_lora_rank = 512}},
         70'272},
        {"a prediction layer that holds no cache",
         {.architecture = "llama",
          .block_count = 33,
          .embedding_length = 4096,
          .nextn_predict_layers = 1,
          .attention = {.head_count = {32}, .head_count_kv = {8}}},
         131'072},
        {"layers that share another's cache",
         {.architecture = "llama",
          .block_count = 40,
          .embedding_length = 4096,
          .attention = {.head_count = {32}, .head_count_kv = {8}, .shared_kv_layers = 8}},
         131'072},
    };
    for (const Published& row : rows) {
        const auto estimate = estimate_memory(row.facts, one_stream(32768));
        const auto& cache = find(estimate, "kv_cache");
        EXPECT_EQ(cache.likely.count, row.bytes_per_token * 32768) << row.model;
        EXPECT_EQ(cache.low, cache.high) << row.model;
    }
}

GgufFacts gemma3() {
    return {
        .architecture = "gemma3",
        .block_count = 62,
        .embedding_length = 5376,
        .attention =
            {
                .head_count = {32},
                .head_count_kv = {16},
                .key_length = 128,
                .value_length = 128,
                .sliding_window = 1024,
            },
    };
}

TEST(MemoryEstimate, GivesWindowedLayersTheirWindowOnly) {
    const auto cache = find(estimate_memory(gemma3(), one_stream(32768)), "kv_cache");
    // 10 global layers of 8,192 bytes a token, 52 local ones with 1024 + 512 cells.
    EXPECT_EQ(cache.likely.count, 81'920ULL * 32768 + 425'984ULL * 1536);
    const auto small = find(estimate_memory(gemma3(), one_stream(512)), "kv_cache");
    EXPECT_EQ(small.likely.count, (81'920ULL + 425'984ULL) * 512) << "a window beyond the context";

    ServingShape pooled{.context = 32768, .sequences = 4, .sharing = CacheSharing::one_pool};
    EXPECT_EQ(
        find(estimate_memory(gemma3(), pooled), "kv_cache").likely.count,
        81'920ULL * 32768 + 425'984ULL * (4 * 1024 + 512)
    );
}

TEST(MemoryEstimate, GivesThemTheWholeContextWhereTheEngineIsToldTo) {
    ServingShape shape = one_stream(32768);
    shape.window_cache = WindowCache::whole;
    const auto cache = find(estimate_memory(gemma3(), shape), "kv_cache");
    EXPECT_EQ(cache.likely.count, (81'920ULL + 425'984ULL) * 32768);
}

TEST(MemoryEstimate, ReadsTheFilesOwnPatternFirst) {
    GgufFacts facts = gemma3();
    facts.block_count = 4;
    facts.attention.sliding_window_pattern = {1, 1, 1, 0};
    const auto cache = find(estimate_memory(facts, one_stream(32768)), "kv_cache");
    EXPECT_EQ(cache.likely.count, 8192ULL * 32768 + 3 * 8192ULL * 1536);
}

TEST(MemoryEstimate, WidensTheRangeWhereAPatternIsUnknown) {
    GgufFacts facts = gemma3();
    facts.architecture = "somethingnew";
    const auto cache = find(estimate_memory(facts, one_stream(32768)), "kv_cache");
    EXPECT_LT(cache.low, cache.likely);
    EXPECT_EQ(cache.likely, cache.high);
}

TEST(MemoryEstimate, PadsEveryStream) {
    ServingShape shape{.context = 1000, .sequences = 4};
    const auto cache = find(estimate_memory(smol(), shape), "kv_cache");
    EXPECT_EQ(cache.likely.count, 23'040ULL * 256 * 4);
}

TEST(MemoryEstimate, CountsARecurrentStateBySequenceNotByToken) {
    GgufFacts facts{
        .architecture = "hybrid",
        .block_count = 4,
        .embedding_length = 1024,
        .attention = {.head_count = {8}, .head_count_kv = {0, 0, 0, 2}},
        .recurrent = {.conv_kernel = 4, .inner_size = 2048, .state_size = 16, .group_count = 1},
    };
    const std::uint64_t state = 4 * (3 * (2048 + 2 * 16) + 16 * 2048);
    const auto one = estimate_memory(facts, one_stream(4096));
    EXPECT_EQ(find(one, "recurrent_state").likely.count, 3 * state);
    EXPECT_EQ(find(one, "kv_cache").likely.count, 2 * 2 * 128 * 2 * 4096ULL);
    const auto two = estimate_memory(facts, {.context = 8192, .sequences = 2});
    EXPECT_EQ(find(two, "recurrent_state").likely.count, 2 * 3 * state);
}

TEST(MemoryEstimate, SaysWhatTheFileDoesNotSay) {
    const auto estimate =
        estimate_memory({.architecture = "odd", .block_count = 2, .embedding_length = 64}, {});
    EXPECT_EQ(estimate.notes.size(), 2U);
    const auto& cache = find(estimate, "kv_cache");
    EXPECT_EQ(cache.low.count, 0U);
    EXPECT_GT(cache.high.count, 0U);
}

TEST(MemoryEstimate, NeverWrapsToASmallNumber) {
    constexpr std::uint64_t kHuge = ~std::uint64_t{0} - 3;
    const GgufFacts facts{
        .block_count = kHuge,
        .embedding_length = kHuge,
        .feed_forward_length = {kHuge},
        .attention = {.head_count = {1}, .head_count_kv = {kHuge}, .sliding_window = kHuge},
        .recurrent = {.conv_kernel = kHuge, .inner_size = kHuge, .state_size = kHuge},
        .vocab_size = kHuge,
        .tensor_bytes = {kHuge},
    };
    const auto estimate = estimate_memory(facts, {.context = kHuge, .sequences = kHuge});
    EXPECT_EQ(estimate.likely.count, ~std::uint64_t{0});
    EXPECT_EQ(estimate_memory(facts, {.context = 0, .sequences = 0}).high.count, ~std::uint64_t{0});
}

TEST(MemoryEstimate, AgreesWithLlamaCppAboutTheRealFile) {
    const char* path = std::getenv("NOVA_TEST_GGUF");  // tidy-allow(getenv): a test's own switch
    ASSERT_TRUE(path != nullptr && std::string_view{path}.contains("SmolLM2-135M-Instruct.Q4_1"))
        << "set NOVA_TEST_GGUF to SmolLM2-135M-Instruct.Q4_1.gguf (tools/engines.sh model)";
    const auto facts = read_gguf_model(path);
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    const auto estimate = estimate_memory(*facts, one_stream(8192));
    // "Host 92 180 109": weights, context, compute in MiB.
    EXPECT_NEAR(static_cast<double>(find(estimate, "weights").likely.count >> 20U), 92.0, 1.0);
    EXPECT_EQ(find(estimate, "kv_cache").likely, mib(180));
    EXPECT_NEAR(static_cast<double>(find(estimate, "compute").likely.count >> 20U), 109.0, 2.0);
}

}  // namespace
}  // namespace nova::catalog

// The formulas of llama.cpp's caches (src/llama-kv-cache*.cpp, src/llama-memory-recurrent.cpp), and
// a model of its compute buffer checked against llama-fit-params of build 11434 (2026-11).
#include "catalog/memory_estimate.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace nova::catalog {
namespace {

constexpr std::uint64_t kMostLayers = 4096;  // beyond it a header lies
constexpr std::uint64_t kCellPadding = 256;

// A header can hold any figure: arithmetic stops at the top instead of wrapping to a small number.
constexpr std::uint64_t kTop = std::numeric_limits<std::uint64_t>::max();

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? kTop : product;
}

std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
    std::uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? kTop : sum;
}

std::uint64_t padded(std::uint64_t cells) {
    const std::uint64_t up = plus(cells, kCellPadding - 1);
    return up / kCellPadding * kCellPadding;
}

// Bytes of 32 elements, the block of every quantised cache type.
std::uint64_t bytes_of_32(CacheType type) {
    switch (type) {
    case CacheType::f32:
        return 128;
    case CacheType::f16:
        return 64;
    case CacheType::q8_0:
        return 34;
    case CacheType::q5_1:
        return 24;
    case CacheType::q5_0:
        return 22;
    case CacheType::q4_1:
        return 20;
    case CacheType::q4_0:
        return 18;
    }
    return 64;
}

struct Range {
    std::uint64_t low = 0;
    std::uint64_t likely = 0;
    std::uint64_t high = 0;
};

Range exactly(std::uint64_t bytes) {
    return {bytes, bytes, bytes};
}

MemoryItem item(std::string name, Range range, std::string how) {
    return {std::move(name), {range.low}, {range.likely}, {range.high}, std::move(how)};
}

struct Cells {
    std::uint64_t full = 0;      // per stream
    std::uint64_t windowed = 0;  // per stream
    std::uint64_t streams = 1;
};

Cells count_cells(const GgufFacts& facts, const ServingShape& shape) {
    const std::uint64_t sequences = std::max<std::uint64_t>(1, shape.sequences);
    const bool pooled = shape.sharing == CacheSharing::one_pool;
    Cells cells;
    cells.streams = pooled ? 1 : sequences;
    cells.full = padded(shape.context / cells.streams);
    cells.windowed = cells.full;
    const std::uint64_t window = facts.attention.sliding_window.value_or(0);
    if (window > 0 && shape.window_cache == WindowCache::window) {
        const std::uint64_t held = plus(times(window, pooled ? sequences : 1), shape.micro_batch);
        cells.windowed = padded(std::min(cells.full, held));
    }
    return cells;
}

// Which layers look only at a window when the file has no pattern of its own: llama.cpp knows it
// by architecture. Layer l is windowed unless it is the last of its period.
std::uint64_t default_period(std::string_view architecture) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 6> kPeriods{{
        {"gemma2", 2},
        {"gemma3", 6},
        {"gemma3n", 5},
        {"gpt-oss", 2},
        {"cohere2", 4},
        {"exaone4", 4},
    }};
    const auto it =
        std::ranges::find(kPeriods, architecture, [](const auto& p) { return p.first; });
    return it == kPeriods.end() ? 0 : it->second;
}

bool has_window(const GgufFacts& facts) {
    return facts.attention.sliding_window.value_or(0) > 0;
}

bool window_pattern_known(const GgufFacts& facts) {
    return !facts.attention.sliding_window_pattern.empty() ||
           default_period(facts.architecture) > 0;
}

bool is_windowed(const GgufFacts& facts, std::uint64_t layer) {
    if (!has_window(facts)) {
        return false;
    }
    const PerLayer& pattern = facts.attention.sliding_window_pattern;
    if (pattern.size() > 1) {
        return at_layer(pattern, layer).value_or(0) != 0;
    }
    const std::uint64_t period =
        pattern.empty() ? default_period(facts.architecture) : pattern.front();
    return period > 1 && layer % period < period - 1;
}

bool has_recurrent_state(const GgufFacts& facts) {
    return facts.recurrent.inner_size || facts.recurrent.shortconv_cache;
}

bool is_recurrent(const GgufFacts& facts, std::uint64_t layer) {
    const AttentionFacts& attention = facts.attention;
    if (!attention.recurrent_layers.empty()) {
        return at_layer(attention.recurrent_layers, layer).value_or(0) != 0;
    }
    if (const std::uint64_t every = attention.full_attention_interval.value_or(0); every > 0) {
        return (layer + 1) % every != 0;
    }
    if (!has_recurrent_state(facts)) {
        return false;
    }
    return attention.head_count_kv.empty() || at_layer(attention.head_count_kv, layer) == 0U;
}

struct Row {
    std::uint64_t key = 0;  // elements one token takes in one layer
    std::uint64_t value = 0;
};

// Empty when the file does not say enough.
std::optional<Row> cache_row(const GgufFacts& facts, std::uint64_t layer, bool windowed) {
    const AttentionFacts& attention = facts.attention;
    const auto heads = at_layer(attention.head_count, layer);
    auto kv_heads = at_layer(attention.head_count_kv, layer);
    kv_heads = attention.head_count_kv.empty() ? heads : kv_heads;
    if (!kv_heads) {
        return std::nullopt;
    }
    std::optional<std::uint64_t> by_default;
    if (facts.embedding_length && heads.value_or(0) > 0) {
        by_default = *facts.embedding_length / *heads;
    }
    const auto or_else = [](auto first, auto second) { return first ? first : second; };
    auto key = or_else(attention.key_length, by_default);
    auto value = or_else(attention.value_length, by_default);
    if (windowed) {
        key = or_else(attention.key_length_swa, key);
        value = or_else(attention.value_length_swa, value);
    }
    if (!key || !value) {
        return std::nullopt;
    }
    // MLA: one compressed row per token, from which values are made again; only keys are kept.
    // Conversions without the *_mla keys keep every head in full.
    if (attention.key_length_mla) {
        return Row{.key = times(*kv_heads, *key), .value = 0};
    }
    return Row{.key = times(*kv_heads, *key), .value = times(*kv_heads, *value)};
}

std::uint64_t row_bytes(const Row& row, const ServingShape& shape) {
    const std::uint64_t key = times(row.key, bytes_of_32(shape.key_cache)) / 32;
    const std::uint64_t value = times(row.value, bytes_of_32(shape.value_cache)) / 32;
    return plus(key, value);
}

bool keeps_no_cache(const GgufFacts& facts) {
    return facts.architecture.contains("bert") || facts.architecture == "t5encoder";
}

std::uint64_t attention_layers(const GgufFacts& facts) {
    const std::uint64_t all = std::min(facts.block_count.value_or(0), kMostLayers);
    // The extra prediction layers of some models are part of the count but hold no cache here.
    const std::uint64_t extra = facts.nextn_predict_layers.value_or(0);
    return all - std::min(all, extra);
}

MemoryItem
cache_item(const GgufFacts& facts, const ServingShape& shape, std::vector<std::string>& notes) {
    const Cells cells = count_cells(facts, shape);
    const std::uint64_t layers = attention_layers(facts);
    const std::uint64_t owners =
        layers - std::min(layers, facts.attention.shared_kv_layers.value_or(0));
    Range total;
    std::uint64_t unknown = 0;
    for (std::uint64_t layer = 0; layer < owners; ++layer) {
        if (is_recurrent(facts, layer)) {
            continue;
        }
        const bool windowed = is_windowed(facts, layer);
        const auto row = cache_row(facts, layer, windowed);
        if (!row) {
            // At worst every head is kept: a key and a value as wide as the embedding.
            const std::uint64_t wide = facts.embedding_length.value_or(0);
            const std::uint64_t most = times(row_bytes({wide, wide}, shape), cells.full);
            total.likely = plus(total.likely, times(most, cells.streams));
            total.high = plus(total.high, times(most, cells.streams));
            ++unknown;
            continue;
        }
        const std::uint64_t per_cell = times(row_bytes(*row, shape), cells.streams);
        const bool unsure = has_window(facts) && !window_pattern_known(facts);
        const std::uint64_t likely = times(per_cell, windowed ? cells.windowed : cells.full);
        total.low = plus(total.low, unsure ? times(per_cell, cells.windowed) : likely);
        total.likely = plus(total.likely, likely);
        total.high = plus(total.high, likely);
    }
    if (unknown > 0) {
        notes.push_back(
            fmt::format("The file does not say the attention heads of {} layers.", unknown)
        );
    }
    if (!facts.block_count) {
        notes.emplace_back("The file does not say how many layers the model has.");
    }
    if (keeps_no_cache(facts)) {
        total.low = total.likely = 0;
    }
    return item(
        "kv_cache", total,
        fmt::format("{} layers, {} tokens in each of {} streams", owners, cells.full, cells.streams)
    );
}

// Per sequence, not per token, and always in f32.
MemoryItem recurrent_item(const GgufFacts& facts, const ServingShape& shape) {
    const RecurrentFacts& state = facts.recurrent;
    std::uint64_t elements = 0;
    if (state.inner_size) {
        const std::uint64_t kernel = state.conv_kernel.value_or(0);
        const std::uint64_t size = state.state_size.value_or(0);
        const std::uint64_t channels =
            plus(*state.inner_size, times(2, times(state.group_count.value_or(0), size)));
        elements =
            plus(times(kernel > 0 ? kernel - 1 : 0, channels), times(size, *state.inner_size));
    } else if (const std::uint64_t held = state.shortconv_cache.value_or(0); held > 1) {
        elements = times(facts.embedding_length.value_or(0), held - 1);
    }
    std::uint64_t layers = 0;
    for (std::uint64_t layer = 0; layer < attention_layers(facts); ++layer) {
        layers += is_recurrent(facts, layer) ? 1 : 0;
    }
    const std::uint64_t sequences = std::max<std::uint64_t>(1, shape.sequences);
    return item(
        "recurrent_state", exactly(times(times(times(4, elements), layers), sequences)),
        fmt::format("{} layers that keep a state, {} sequences", layers, sequences)
    );
}

// What one step needs beside weights and cache: logits of a whole micro batch, the attention mask,
// activations. Without flash attention (older devices, -fa off) the scores of all heads are held
// before the logits are; that is the high end.
MemoryItem
compute_item(const GgufFacts& facts, const ServingShape& shape, std::vector<std::string>& notes) {
    const Cells cells = count_cells(facts, shape);
    const std::uint64_t batch = shape.micro_batch;
    const std::uint64_t width = facts.embedding_length.value_or(0);
    if (!facts.vocab_size) {
        notes.emplace_back("The file does not say how large the vocabulary is.");
    }
    const std::uint64_t vocabulary = facts.vocab_size.value_or(128'256);  // a common size
    const std::uint64_t logits = times(times(4, batch), vocabulary);
    const std::uint64_t mask = times(times(2, batch), cells.full);  // one stream at a time
    std::uint64_t inner = 0;
    for (const std::uint64_t length : facts.feed_forward_length) {
        inner = std::max(inner, length);
    }
    const std::uint64_t steps = times(times(4, batch), plus(inner, times(2, width)));
    std::uint64_t heads = 0;
    for (const std::uint64_t count : facts.attention.head_count) {
        heads = std::max(heads, count);
    }
    const std::uint64_t scores = times(times(times(4, batch), cells.full), heads);
    const std::uint64_t likely = plus(plus(logits, mask), steps);
    const std::uint64_t without_flash = plus(plus(scores, times(2, mask)), steps);
    const std::uint64_t worst = std::max(likely, without_flash);
    const Range range{.low = likely / 4 * 3, .likely = likely, .high = plus(worst, worst / 4)};
    return item(
        "compute", range, fmt::format("logits of {} tokens, mask and activations (estimate)", batch)
    );
}

// What a process holds that no formula names. The GPU's figures are those reported for CUDA
// contexts; the CPU's are a server's own code and buffers.
MemoryItem program_item(const ServingShape& shape) {
    switch (shape.placement) {
    case Placement::gpu:
        return item(
            "program", {mib(200).count, mib(400).count, mib(600).count},
            "device context and kernels (estimate)"
        );
    case Placement::cpu:
        break;
    }
    return item(
        "program", {mib(30).count, mib(60).count, mib(150).count},
        "the server's own code and buffers (estimate)"
    );
}

MemoryItem weights_item(const GgufFacts& facts, std::vector<std::string>& notes) {
    const std::uint64_t bytes = facts.tensor_bytes.count;
    Range range = exactly(bytes);
    if (facts.unknown_tensor_types) {
        notes.emplace_back("Some tensors have types newer than nova; the file's size was used.");
        range = exactly(std::max(bytes, facts.actual_file.count));
        range.low = bytes;
    }
    return item("weights", range, fmt::format("{} tensors of the file", facts.tensor_count));
}

}  // namespace

MemoryEstimate estimate_memory(const GgufFacts& facts, const ServingShape& shape) {
    MemoryEstimate estimate{};
    estimate.items.push_back(weights_item(facts, estimate.notes));
    estimate.items.push_back(cache_item(facts, shape, estimate.notes));
    if (has_recurrent_state(facts)) {
        estimate.items.push_back(recurrent_item(facts, shape));
    }
    estimate.items.push_back(compute_item(facts, shape, estimate.notes));
    estimate.items.push_back(program_item(shape));
    for (const MemoryItem& part : estimate.items) {
        estimate.low.count = plus(estimate.low.count, part.low.count);
        estimate.likely.count = plus(estimate.likely.count, part.likely.count);
        estimate.high.count = plus(estimate.high.count, part.high.count);
    }
    return estimate;
}

}  // namespace nova::catalog

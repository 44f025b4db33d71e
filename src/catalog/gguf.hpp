// The header of a GGUF model file: what it is, what it needs, and whether all of it is there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/byte_source.hpp"
#include "core/result.hpp"
#include "core/units.hpp"

namespace nova::catalog {

// A figure that is the same for all layers (one entry) or differs (one per layer).
using PerLayer = std::vector<std::uint64_t>;

// Value for a layer: its own, or the common one; empty when the file says nothing.
std::optional<std::uint64_t> at_layer(const PerLayer& values, std::uint64_t layer);

// Names follow the keys of the format (`A.attention.key_length` and so on).
struct AttentionFacts {
    PerLayer head_count{};
    PerLayer head_count_kv{};  // 0: that layer has no KV cache
    std::optional<std::uint64_t> key_length{};
    std::optional<std::uint64_t> value_length{};
    std::optional<std::uint64_t> key_length_swa{};
    std::optional<std::uint64_t> value_length_swa{};
    std::optional<std::uint64_t> key_length_mla{};
    std::optional<std::uint64_t> kv_lora_rank{};
    std::optional<std::uint64_t> sliding_window{};
    PerLayer sliding_window_pattern{};  // one entry: period; else 1 per windowed layer
    std::optional<std::uint64_t> shared_kv_layers{};
    PerLayer recurrent_layers{};
    std::optional<std::uint64_t> full_attention_interval{};
};

struct RecurrentFacts {
    std::optional<std::uint64_t> conv_kernel{};
    std::optional<std::uint64_t> inner_size{};
    std::optional<std::uint64_t> state_size{};
    std::optional<std::uint64_t> group_count{};
    std::optional<std::uint64_t> shortconv_cache{};
};

struct GgufFacts {
    std::uint32_t version = 0;
    std::string architecture{};
    std::string name{};
    std::string size_label{};
    std::string type{};                        // "model", "mmproj", "adapter", ... or empty
    std::optional<std::uint64_t> file_type{};  // see file_type_word()
    std::optional<std::uint64_t> context_length{};
    std::optional<std::uint64_t> block_count{};
    std::optional<std::uint64_t> embedding_length{};
    PerLayer feed_forward_length{};
    std::optional<std::uint64_t> expert_count{};
    std::optional<std::uint64_t> expert_used_count{};
    std::optional<std::uint64_t> nextn_predict_layers{};
    AttentionFacts attention{};
    RecurrentFacts recurrent{};
    std::optional<std::uint64_t> vocab_size{};
    std::optional<std::uint64_t> pooling_type{};  // present: made for embeddings
    bool has_chat_template = false;
    bool template_mentions_tools = false;
    std::uint64_t split_count = 1;  // parts the model is cut into, this file being one of them

    std::uint64_t tensor_count = 0;
    Bytes tensor_bytes{};
    Bytes embedding_bytes{};            // of token_embd.weight, which stays on the CPU
    bool unknown_tensor_types = false;  // newer than this table: sizes are lower bounds
    Bytes expected_file{};              // start of data and end of the last tensor
    Bytes actual_file{};
};

// "Q4_K_M" for general.file_type; empty for a number this table does not have.
std::string_view file_type_word(std::uint64_t file_type);

// Reads at most 256 MiB of header. `name` stands in the messages. Errors: unprocessable, and for a
// file that is not what it should be the word model_file_damaged or model_file_not_gguf.
Result<GgufFacts> read_gguf(ByteSource& source, std::string_view name);

// The same for a path; all parts of a model that is cut into NAME-00001-of-0000N.gguf are read and
// added up. Errors: also those of FileBytes::open. Blocks on the disk.
Result<GgufFacts> read_gguf_model(const std::filesystem::path& path);

}  // namespace nova::catalog

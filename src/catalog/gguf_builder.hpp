// Writes small GGUF files in memory, well-formed or wrong on purpose. For tests only.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/gguf_cursor.hpp"

namespace nova::catalog {

struct TensorOfTest {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::uint32_t type = 0;
    std::uint64_t offset = 0;
};

class GgufBuilder {
public:
    std::uint32_t version = 3;
    std::uint64_t alignment = 32;
    std::uint64_t data_bytes = 0;  // how much of the tensors' data is written

    GgufBuilder& text(std::string_view key, std::string_view value) {
        begin(key, GgufType::string);
        append_text(pairs_, value);
        return *this;
    }

    GgufBuilder& u32(std::string_view key, std::uint32_t value) {
        begin(key, GgufType::u32);
        append(pairs_, value, 4);
        return *this;
    }

    GgufBuilder& scalar(std::string_view key, GgufType type, std::uint64_t bits) {
        begin(key, type);
        append(pairs_, bits, size_of(type));
        return *this;
    }

    GgufBuilder&
    array(std::string_view key, GgufType type, const std::vector<std::uint64_t>& values) {
        begin(key, GgufType::array);
        append(pairs_, static_cast<std::uint32_t>(type), 4);
        append(pairs_, values.size(), 8);
        for (const std::uint64_t value : values) {
            append(pairs_, value, size_of(type));
        }
        return *this;
    }

    GgufBuilder& texts(std::string_view key, const std::vector<std::string>& values) {
        begin(key, GgufType::array);
        append(pairs_, static_cast<std::uint32_t>(GgufType::string), 4);
        append(pairs_, values.size(), 8);
        for (const std::string& value : values) {
            append_text(pairs_, value);
        }
        return *this;
    }

    // Bytes as they are behind a key; for what no writer would write.
    GgufBuilder& raw(std::string_view key, GgufType type, std::string_view bytes) {
        begin(key, type);
        pairs_ += bytes;
        return *this;
    }

    GgufBuilder& tensor(const TensorOfTest& tensor) {
        append_text(tensors_, tensor.name);
        append(tensors_, tensor.shape.size(), 4);
        for (const std::uint64_t length : tensor.shape) {
            append(tensors_, length, 8);
        }
        append(tensors_, tensor.type, 4);
        append(tensors_, tensor.offset, 8);
        ++tensor_count_;
        return *this;
    }

    std::string build() const { return build(tensor_count_, pair_count_); }

    // With counts that may be lies.
    std::string build(std::uint64_t tensor_count, std::uint64_t pair_count) const {
        std::string file = "GGUF";
        append(file, version, 4);
        append(file, tensor_count, 8);
        append(file, pair_count, 8);
        file += pairs_ + tensors_;
        if (tensor_count_ > 0) {
            file.resize((file.size() + alignment - 1) / alignment * alignment + data_bytes);
        }
        return file;
    }

    static void append(std::string& to, std::uint64_t value, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i) {
            to.push_back(static_cast<char>((value >> (8 * i)) & 0xFFU));
        }
    }

    static void append_text(std::string& to, std::string_view text) {
        append(to, text.size(), 8);
        to += text;
    }

private:
    void begin(std::string_view key, GgufType type) {
        append_text(pairs_, key);
        append(pairs_, static_cast<std::uint32_t>(type), 4);
        ++pair_count_;
    }

    std::string pairs_;
    std::string tensors_;
    std::uint64_t pair_count_ = 0;
    std::uint64_t tensor_count_ = 0;
};

// SmolLM2-135M's figures with two tensors instead of 272: q4_1 rows of 32 elements in 20 bytes.
inline GgufBuilder small_llama() {
    GgufBuilder builder;
    builder.text("general.architecture", "llama")
        .text("general.name", "Tiny Llama")
        .text("general.size_label", "135M")
        .text("general.type", "model")
        .u32("general.file_type", 3)
        .u32("llama.context_length", 8192)
        .u32("llama.block_count", 30)
        .u32("llama.embedding_length", 576)
        .u32("llama.feed_forward_length", 1536)
        .u32("llama.attention.head_count", 9)
        .u32("llama.attention.head_count_kv", 3)
        .u32("llama.vocab_size", 49152)
        .scalar("llama.rope.freq_base", GgufType::f32, std::bit_cast<std::uint32_t>(1e5F))
        .texts("tokenizer.ggml.tokens", {"<s>", "</s>", "a", "b"})
        .text("tokenizer.chat_template", "{% if tools %}{{ tools }}{% endif %}{{ messages }}")
        .tensor({.name = "token_embd.weight", .shape = {64, 4}, .type = 3, .offset = 0})
        .tensor({.name = "output_norm.weight", .shape = {64}, .type = 0, .offset = 160});
    builder.data_bytes = 160 + 256;
    return builder;
}

inline std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span{text});
}

std::span<const std::byte> bytes_of(std::string&&) = delete;  // the bytes must outlive the span

}  // namespace nova::catalog

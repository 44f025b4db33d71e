// GGUF files good, cut, damaged and pretended; and a real one when NOVA_TEST_GGUF names it.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "catalog/gguf.hpp"
#include "catalog/gguf_builder.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

Result<GgufFacts> read(const std::string& file) {
    MemoryBytes source{bytes_of(file)};
    return read_gguf(source, "m.gguf");
}

std::string message(const std::string& file) {
    const auto facts = read(file);
    return facts ? "accepted" : facts.error().message;
}

TEST(Gguf, ReadsWhatAModelNeedsToKnowAboutItself) {
    const auto facts = read(small_llama().build());
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    EXPECT_EQ(facts->version, 3U);
    EXPECT_EQ(facts->architecture, "llama");
    EXPECT_EQ(facts->name, "Tiny Llama");
    EXPECT_EQ(facts->size_label, "135M");
    EXPECT_EQ(file_type_word(facts->file_type.value_or(0)), "Q4_1");
    EXPECT_EQ(facts->context_length, 8192U);
    EXPECT_EQ(facts->block_count, 30U);
    EXPECT_EQ(facts->embedding_length, 576U);
    EXPECT_EQ(facts->feed_forward_length, PerLayer{1536});
    EXPECT_EQ(facts->attention.head_count, PerLayer{9});
    EXPECT_EQ(facts->attention.head_count_kv, PerLayer{3});
    EXPECT_EQ(facts->vocab_size, 49152U);
    EXPECT_FALSE(facts->pooling_type.has_value());
    EXPECT_TRUE(facts->has_chat_template);
    EXPECT_TRUE(facts->template_mentions_tools);
    EXPECT_EQ(facts->tensor_count, 2U);
    EXPECT_EQ(facts->tensor_bytes, Bytes{416});
    EXPECT_EQ(facts->embedding_bytes, Bytes{160});
    EXPECT_EQ(facts->expected_file, facts->actual_file);
    EXPECT_FALSE(facts->unknown_tensor_types);
}

TEST(Gguf, FindsEveryCutOfAFile) {
    const std::string file = small_llama().build();
    for (std::size_t size = 0; size < file.size(); ++size) {
        const auto facts = read(file.substr(0, size));
        ASSERT_FALSE(facts.has_value()) << "cut to " << size << " of " << file.size();
        EXPECT_FALSE(facts.error().remedy.empty()) << size;
        if (size > 8) {
            EXPECT_TRUE(facts.error().message.contains("is cut short")) << facts.error().message;
            EXPECT_EQ(facts.error().word, "model_file_damaged");
        }
    }
}

TEST(Gguf, SaysHowMuchOfACutFileIsThere) {
    GgufBuilder builder;
    builder.text("general.architecture", "llama")
        .tensor({.name = "big", .shape = {1024, 1024, 23}, .type = 0, .offset = 0});
    builder.data_bytes = 49'000'000;
    EXPECT_EQ(
        message(builder.build()),
        "m.gguf is cut short: 96 MB expected, 49 MB there; download it again."
    );
    builder.data_bytes = 1024ULL * 1024 * 23 * 4 - 1;
    EXPECT_EQ(
        message(builder.build()),
        "m.gguf is cut short: 96469120 bytes expected, 96469119 bytes there; download it again."
    );
    builder.data_bytes += 1;
    EXPECT_EQ(message(builder.build()), "accepted");
    builder.data_bytes += 31;
    EXPECT_EQ(message(builder.build()), "accepted") << "padding after the last tensor is normal";
}

TEST(Gguf, ReadsFiguresPerLayerAndOfAnyWidth) {
    GgufBuilder builder;
    builder.text("general.architecture", "hybrid")
        .scalar("hybrid.block_count", GgufType::u64, 4)
        .scalar("hybrid.context_length", GgufType::u16, 4096)
        .scalar("hybrid.embedding_length", GgufType::i32, 512)
        .scalar("hybrid.vocab_size", GgufType::i8, 0x80)  // -128: no figure
        .array("hybrid.attention.head_count_kv", GgufType::i32, {0, 0, 0, 8})
        .array("hybrid.attention.sliding_window_pattern", GgufType::boolean, {1, 0, 1, 0})
        .u32("hybrid.pooling_type", 1)
        .u32("other.context_length", 1)
        .texts("tokenizer.ggml.tokens", {"a", "b", "c"});
    const auto facts = read(builder.build());
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    EXPECT_EQ(facts->block_count, 4U);
    EXPECT_EQ(facts->context_length, 4096U);
    EXPECT_EQ(facts->embedding_length, 512U);
    EXPECT_EQ(facts->vocab_size, 3U) << "counted from the tokens";
    EXPECT_EQ(facts->attention.head_count_kv, (PerLayer{0, 0, 0, 8}));
    EXPECT_EQ(facts->attention.sliding_window_pattern, (PerLayer{1, 0, 1, 0}));
    EXPECT_EQ(facts->pooling_type, 1U);
    EXPECT_EQ(at_layer(facts->attention.head_count_kv, 3), 8U);
    EXPECT_FALSE(at_layer(facts->attention.head_count_kv, 4).has_value());
}

struct Stranger {
    const char* name;
    std::string bytes;
    const char* says;
};

TEST(Gguf, TellsWhatAStrangerIs) {
    GgufBuilder old;
    old.version = 1;
    GgufBuilder big;
    big.version = 0x03000000;
    GgufBuilder future;
    future.version = 9;
    const Stranger strangers[] = {
        {"empty", "", "is empty"},
        {"page", "<!DOCTYPE html><html>", "this is a web page"},
        {"page after blanks", "\n  <HTML lang=en>", "this is a web page"},
        {"s3 answer", "<?xml version=\"1.0\"?><Error>", "this is a web page"},
        {"pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs pointer"},
        {"zeros", std::string(600, '\0'), "did not finish"},
        {"ggml", "tjgg\1\0\0\0", "old GGML format"},
        {"safetensors", std::string("\x40\0\0\0\0\0\0\0{\"a\":", 13), "safetensors"},
        {"zip", "PK\x03\x04xxxx", "archive"},
        {"json", "{\"error\":\"Invalid username\"}", "JSON text"},
        {"noise", "hello, this is no model", "is not a GGUF model file"},
        {"version 1", old.build(), "version 1"},
        {"big-endian", big.build(), "big-endian"},
        {"future", future.build(), "version 9"},
    };
    for (const Stranger& stranger : strangers) {
        const auto facts = read(stranger.bytes);
        ASSERT_FALSE(facts.has_value()) << stranger.name;
        EXPECT_TRUE(facts.error().message.contains(stranger.says))
            << stranger.name << ": " << facts.error().message;
        EXPECT_EQ(facts.error().code, ErrorCode::unprocessable) << stranger.name;
        EXPECT_FALSE(facts.error().remedy.empty()) << stranger.name;
    }
}

std::string number(std::uint64_t value, std::size_t bytes) {
    std::string text;
    GgufBuilder::append(text, value, bytes);
    return text;
}

TEST(Gguf, RefusesLiesWithoutFollowingThem) {
    constexpr std::uint64_t kHuge = ~std::uint64_t{0};
    const auto with = [](GgufType type, const std::string& bytes) {
        return GgufBuilder{}.raw("k", type, bytes).build() + std::string(64, '\0');
    };
    const auto tensor = [](std::vector<std::uint64_t> shape, std::uint32_t type,
                           std::uint64_t offset) {
        return GgufBuilder{}.tensor({"t", std::move(shape), type, offset}).build();
    };
    std::string nested;
    for (int i = 0; i < 64; ++i) {
        nested += number(9, 4) + number(1, 8);
    }
    const Stranger lies[] = {
        {"tensors", small_llama().build(kHuge, 1), "cannot be right"},
        {"keys", small_llama().build(1, kHuge), "cannot be right"},
        {"key length", GgufBuilder{}.build(0, 1) + number(kHuge, 8), "cannot be right"},
        {"text length", with(GgufType::string, number(kHuge - 4, 8)), "cannot be right"},
        {"list length", with(GgufType::array, number(10, 4) + number(kHuge / 8 + 2, 8)),
         "cannot be right"},
        {"list of texts", with(GgufType::array, number(8, 4) + number(kHuge, 8)), "cannot be right"
        },
        {"list of lists", with(GgufType::array, number(9, 4) + number(kHuge, 8)), "cannot be right"
        },
        {"nesting", with(GgufType::array, nested), "nest too deeply"},
        {"type", with(static_cast<GgufType>(13), ""), "does not exist"},
        {"list type", with(GgufType::array, number(99, 4) + number(1, 8)), "does not exist"},
        {"alignment 0", GgufBuilder{}.u32("general.alignment", 0).build(), "alignment"},
        {"alignment 24", GgufBuilder{}.u32("general.alignment", 24).build(), "alignment"},
        {"5 dimensions", tensor({1, 1, 1, 1, 1}, 0, 0), "more than 4 dimensions"},
        {"product wraps", tensor({1ULL << 33U, 1ULL << 33U}, 0, 0), "impossible shape"},
        {"bytes wrap", tensor({1ULL << 62U}, 0, 0), "impossible shape"},
        {"offset wraps", tensor({32}, 2, kHuge - 3), "impossible shape"},
        {"place wraps", tensor({}, 24, kHuge - 8), "impossible place"},
        {"half a block", tensor({33}, 2, 0), "impossible shape"},
        {"far away", tensor({32}, 2, 1ULL << 40U), "is cut short: 1099.5 GB expected"},
    };
    for (const Stranger& lie : lies) {
        EXPECT_TRUE(message(lie.bytes).contains(lie.says))
            << lie.name << ": " << message(lie.bytes);
    }
}

TEST(Gguf, PassesOverLongListsInsteadOfKeepingThem) {
    std::vector<std::string> tokens(200'000, "token");
    GgufBuilder builder = small_llama();
    builder.texts("tokenizer.ggml.merges", tokens)
        .array("tokenizer.ggml.scores", GgufType::f32, std::vector<std::uint64_t>(200'000))
        .array("llama.odd", GgufType::u32, std::vector<std::uint64_t>(100'000, 7));
    const auto facts = read(builder.build());
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    EXPECT_EQ(facts->tensor_bytes, Bytes{416});
}

TEST(Gguf, AdmitsTensorTypesNewerThanItself) {
    GgufBuilder builder = small_llama();
    builder.tensor({.name = "new", .shape = {64}, .type = 77, .offset = 416});
    const auto facts = read(builder.build());
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    EXPECT_TRUE(facts->unknown_tensor_types);
}

TEST(Gguf, LetsNothingOfTheFileReachATerminal) {
    const auto facts = read(GgufBuilder{}
                                .text("general.architecture", "llama")
                                .text("general.name", "a\x1b[2Jb")
                                .build());
    ASSERT_TRUE(facts.has_value());
    EXPECT_EQ(facts->name, "a?[2Jb");
}

class GgufFileTest : public testing::Test {
protected:
    GgufFileTest() {
        std::string pattern = (fs::temp_directory_path() / "nova-gguf-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
    }

    ~GgufFileTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    fs::path put(const std::string& name, const std::string& bytes) {
        std::ofstream{folder_ / name, std::ios::binary} << bytes;
        return folder_ / name;
    }

    fs::path folder_;
};

TEST_F(GgufFileTest, ReadsAFileOnDisk) {
    const auto facts = read_gguf_model(put("m.gguf", small_llama().build()));
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    EXPECT_EQ(facts->architecture, "llama");
}

TEST_F(GgufFileTest, AddsUpThePartsOfAModel) {
    GgufBuilder first = small_llama();
    first.scalar("split.count", GgufType::u16, 2).scalar("split.no", GgufType::u16, 0);
    GgufBuilder second;
    second.scalar("split.count", GgufType::u16, 2)
        .tensor({.name = "rest", .shape = {256}, .type = 0, .offset = 0});
    second.data_bytes = 1024;
    const auto path = put("m-00001-of-00002.gguf", first.build());
    const auto alone = read_gguf_model(path);
    ASSERT_FALSE(alone.has_value());
    EXPECT_EQ(alone.error().code, ErrorCode::not_found);
    EXPECT_TRUE(alone.error().message.starts_with("part 2 of 2")) << alone.error().message;

    const auto other = put("m-00002-of-00002.gguf", second.build());
    for (const auto& named : {path, other}) {
        const auto facts = read_gguf_model(named);
        ASSERT_TRUE(facts.has_value()) << facts.error().message;
        EXPECT_EQ(facts->architecture, "llama");
        EXPECT_EQ(facts->tensor_bytes, Bytes{416 + 1024});
        EXPECT_EQ(facts->tensor_count, 3U);
    }
    const auto renamed = read_gguf_model(put("other.gguf", first.build()));
    ASSERT_FALSE(renamed.has_value());
    EXPECT_TRUE(renamed.error().message.contains("one of 2 parts")) << renamed.error().message;
}

TEST_F(GgufFileTest, ReadsTheRealModelItIsGiven) {
    const char* path = std::getenv("NOVA_TEST_GGUF");  // tidy-allow(getenv): a test's own switch
    ASSERT_NE(
        path, nullptr
    ) << "set NOVA_TEST_GGUF to SmolLM2-135M-Instruct.Q4_1.gguf (tools/engines.sh model)";
    const auto facts = read_gguf_model(path);
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    EXPECT_FALSE(facts->architecture.empty());
    EXPECT_GT(facts->tensor_count, 0U);
    EXPECT_LE(facts->expected_file, facts->actual_file);
    EXPECT_LT(facts->actual_file - facts->expected_file, Bytes{4096}) << "only padding may follow";

    std::ifstream whole{path, std::ios::binary};
    std::string half(fs::file_size(path) / 2, '\0');
    whole.read(half.data(), static_cast<std::streamsize>(half.size()));
    const auto cut = read_gguf_model(put("half.gguf", half));
    ASSERT_FALSE(cut.has_value());
    EXPECT_TRUE(cut.error().message.contains("is cut short")) << cut.error().message;
}

}  // namespace
}  // namespace nova::catalog

#include <gtest/gtest.h>

#include "catalog/gguf_choice.hpp"

namespace nova::catalog {
namespace {

std::vector<HubEntry> listing(std::initializer_list<const char*> paths) {
    std::vector<HubEntry> entries;
    for (const char* path : paths) {
        entries.push_back({.path = path, .size = 10});
    }
    return entries;
}

TEST(GgufChoice, ReadsTheQuantisationOutOfAName) {
    struct Row {
        const char* path;
        const char* word;
    };

    for (const Row& row :
         {Row{"SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"},
          Row{"Qwen2.5-7B-q4_k_m-00001-of-00002.gguf", "Q4_K_M"},
          Row{"Q8_0/model-00001-of-00003.gguf", "Q8_0"}, Row{"m-UD-IQ1_S.gguf", "IQ1_S"},
          Row{"m-bf16.gguf", "BF16"}, Row{"Qwen-7B.gguf", ""}, Row{"gpt-mxfp4.gguf", "MXFP4"}}) {
        EXPECT_EQ(quantization_of(row.path), row.word) << row.path;
    }
}

TEST(GgufChoice, TakesTheOneThatIsMeant) {
    const auto files = listing(
        {"README.md", "M-Q8_0.gguf", "M-Q4_K_M.gguf", "M-UD-Q4_K_M.gguf", "M-UD-Q4_K_XL.gguf",
         "M-IQ4_XS.gguf", "mmproj-M-F16.gguf", "M.imatrix.gguf"}
    );

    struct Row {
        const char* wish;
        const char* path;
    };

    for (const Row& row :
         {Row{"", "M-Q4_K_M.gguf"}, Row{"q8_0", "M-Q8_0.gguf"}, Row{"Q4_K_M", "M-Q4_K_M.gguf"},
          Row{"UD-Q4_K_M", "M-UD-Q4_K_M.gguf"}, Row{"Q4_K_XL", "M-UD-Q4_K_XL.gguf"},
          Row{"IQ4_XS", "M-IQ4_XS.gguf"}}) {
        const auto set = choose_gguf(files, "o/r", row.wish);
        ASSERT_TRUE(set) << row.wish << ": " << set.error().message;
        ASSERT_EQ(set->files.size(), 1U) << row.wish;
        EXPECT_EQ(set->files[0].path, row.path) << row.wish;
    }
    EXPECT_EQ(choose_gguf(listing({"only.gguf"}), "o/r", "")->files[0].path, "only.gguf");
}

TEST(GgufChoice, FetchesACutModelWhole) {
    const auto files = listing(
        {"Q4/M-Q4_K_M-00002-of-00003.gguf", "Q4/M-Q4_K_M-00001-of-00003.gguf",
         "Q4/M-Q4_K_M-00003-of-00003.gguf", "M-Q8_0-00001-of-00002.gguf"}
    );
    for (const auto& set :
         {choose_gguf(files, "o/r", "Q4_K_M"),
          choose_gguf_file(files, "o/r", "Q4/M-Q4_K_M-00002-of-00003.gguf")}) {
        ASSERT_TRUE(set) << set.error().message;
        ASSERT_EQ(set->files.size(), 3U);
        EXPECT_EQ(set->files[0].path, "Q4/M-Q4_K_M-00001-of-00003.gguf");
        EXPECT_EQ(set->total(), Bytes{30});
    }
    const auto cut = choose_gguf(files, "o/r", "Q8_0");
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, ErrorCode::unprocessable);
    EXPECT_TRUE(cut.error().message.contains("00002")) << cut.error().message;
}

TEST(GgufChoice, NamesWhatThereIsWhenItCannotChoose) {
    const auto none = choose_gguf(listing({"a.safetensors"}), "o/r", "");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::not_found);
    const auto other = choose_gguf(listing({"A-Q8_0.gguf", "A-Q6_K.gguf"}), "o/r", "K_M");
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, ErrorCode::not_found);
    EXPECT_TRUE(other.error().remedy.contains("Q6_K, Q8_0")) << other.error().remedy;
    const auto two = choose_gguf(listing({"A-Q8_0.gguf", "B-Q8_0.gguf"}), "o/r", "Q8_0");
    ASSERT_FALSE(two);
    EXPECT_EQ(two.error().code, ErrorCode::unprocessable);
    EXPECT_TRUE(two.error().remedy.contains("hf.co/o/r/B-Q8_0.gguf")) << two.error().remedy;
    EXPECT_EQ(
        choose_gguf_file(listing({"a.gguf"}), "o/r", "b.gguf").error().code, ErrorCode::not_found
    );
}

}  // namespace
}  // namespace nova::catalog

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "catalog/ollama_store.hpp"
#include "core/random.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

class OllamaStoreTest : public testing::Test {
protected:
    OllamaStoreTest() : folder_{fs::temp_directory_path() / ("nova-ollama-" + random_hex(6))} {
        write("blobs/sha256-aa", "config");
        write("blobs/sha256-bb", "0123456789");
        write(
            "manifests/registry.ollama.ai/library/m/1b",
            R"({"config":{"digest":"sha256:aa","size":6},)"
            R"("layers":[{"digest":"sha256:bb","size":10}]})"
        );
    }

    ~OllamaStoreTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    void write(const std::string& path, std::string_view text) const {
        fs::create_directories((folder_ / path).parent_path());
        std::ofstream{folder_ / path} << text;
    }

    fs::path folder_;
};

TEST_F(OllamaStoreTest, FindsAModelOfWhichEveryLayerIsThere) {
    EXPECT_EQ(size_in_ollama_store(folder_, "m:1b"), Bytes{16});
    EXPECT_EQ(size_in_ollama_store(folder_, "registry.ollama.ai/library/m:1b"), Bytes{16});
    for (const char* other : {"m", "m:2b", "o/m:1b", "../m:1b", "m:..", ""}) {
        EXPECT_FALSE(size_in_ollama_store(folder_, other)) << other;
    }
}

TEST_F(OllamaStoreTest, AMissingOrShortLayerIsAMissingModel) {
    write("blobs/sha256-bb", "short");
    EXPECT_FALSE(size_in_ollama_store(folder_, "m:1b"));
    fs::remove(folder_ / "blobs/sha256-bb");
    EXPECT_FALSE(size_in_ollama_store(folder_, "m:1b"));
    for (const char* text : {"", "{}", "[]", R"({"config":{},"layers":[]})"}) {
        write("manifests/registry.ollama.ai/library/m/1b", text);
        EXPECT_FALSE(size_in_ollama_store(folder_, "m:1b")) << text;
    }
}

TEST(OllamaName, AddsWhatIsLeftOut) {
    struct Row {
        const char* text;
        const char* shown;
    };

    for (const Row& row :
         {Row{"m", "m:latest"}, Row{"library/m:1", "m:1"}, Row{"o/m", "o/m:latest"},
          Row{"127.0.0.1:5000/library/m:t", "127.0.0.1:5000/library/m:t"},
          Row{"hf.co/o/r:Q4_K_M", "hf.co/o/r:Q4_K_M"}, Row{"registry.ollama.ai/o/m:t", "o/m:t"}}) {
        EXPECT_EQ(ollama_name(row.text).shown(), row.shown) << row.text;
    }
    EXPECT_EQ(ollama_name("127.0.0.1:5000/library/m:t").host, "127.0.0.1:5000");
}

}  // namespace
}  // namespace nova::catalog

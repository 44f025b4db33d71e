// MODEL in every form, for every engine; and paths on a real disk.
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "catalog/model_ref.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

struct Accepted {
    const char* engine;
    const char* text;
    ModelRef model;
    const char* id;  // what clients call it
};

TEST(ModelRef, ReadsEveryFormAnEngineTakes) {
    const Accepted rows[] = {
        {"llamacpp", "/m/Smol.Q4_1.gguf", GgufPath{"/m/Smol.Q4_1.gguf"}, "Smol.Q4_1"},
        {"llamacpp", "models/a.GGUF", GgufPath{"models/a.GGUF"}, "a"},
        {"llamacpp", "../a b.gguf", GgufPath{"../a b.gguf"}, "a b"},
        {"llamacpp", "hf.co/org/repo", HubGguf{"org/repo", ""}, "hf.co/org/repo"},
        {"llamacpp", "hf.co/org/repo:Q4_K_M", HubGguf{"org/repo", "Q4_K_M"}, "hf.co/org/repo:Q4_K_M"
        },
        {"llamacpp", "https://huggingface.co/org/repo", HubGguf{"org/repo", ""}, "hf.co/org/repo"},
        {"llamacpp", "org/repo:Q4_K_M", HubGguf{"org/repo", "Q4_K_M"}, "hf.co/org/repo:Q4_K_M"},
        {"llamacpp", "hf.co/org/repo/sub/a b.gguf", HubFile{"org/repo", "main", "sub/a b.gguf"},
         "a b"},
        {"llamacpp", "https://huggingface.co/org/repo/blob/v2/a%20b.gguf?download=true",
         HubFile{"org/repo", "v2", "a b.gguf"}, "a b"},
        {"llamacpp", "hf.co/org/repo/resolve/main/a.gguf", HubFile{"org/repo", "main", "a.gguf"},
         "a"},
        {"llamacpp", "https://example.org/m/a.Q4_0.gguf?v=2#x",
         GgufUrl{"https://example.org/m/a.Q4_0.gguf?v=2"}, "a.Q4_0"},
        {"ollama", "http://127.0.0.1:8080/a.gguf", GgufUrl{"http://127.0.0.1:8080/a.gguf"}, "a"},
        {"ollama", "llama3.2", OllamaTag{"llama3.2", "latest"}, "llama3.2:latest"},
        {"ollama", "qwen2.5:1.5b", OllamaTag{"qwen2.5", "1.5b"}, "qwen2.5:1.5b"},
        {"ollama", "org/repo", OllamaTag{"org/repo", "latest"}, "org/repo:latest"},
        {"ollama", "127.0.0.1:5000/library/m:t", OllamaTag{"127.0.0.1:5000/library/m", "t"},
         "127.0.0.1:5000/library/m:t"},
        {"ollama", "HF.co/org/repo:Q8_0", HubGguf{"org/repo", "Q8_0"}, "hf.co/org/repo:Q8_0"},
        {"ollama", "./m.gguf", GgufPath{"./m.gguf"}, "m"},
        {"vllm", "Qwen/Qwen2.5-1.5B-Instruct", HubModel{"Qwen/Qwen2.5-1.5B-Instruct"},
         "Qwen/Qwen2.5-1.5B-Instruct"},
        {"sglang", "/models/qwen/", FolderPath{"/models/qwen/"}, "qwen"},
        {"vllm", "./qwen", FolderPath{"./qwen"}, "qwen"},
        {"custom", "anything at all:v1", RemoteName{"anything at all:v1"}, "anything at all:v1"},
    };
    for (const Accepted& row : rows) {
        const auto model = parse_model(row.text, EngineName{row.engine});
        ASSERT_TRUE(model.has_value())
            << row.engine << " " << row.text << ": " << model.error().message;
        EXPECT_EQ(*model, row.model) << row.engine << " " << row.text;
        EXPECT_EQ(public_id(*model).value, row.id) << row.engine << " " << row.text;
    }
}

struct Refused {
    const char* engine;
    std::string text;
    const char* remedy;  // part of it
};

TEST(ModelRef, RefusesOtherFormsNamingTheRightOnes) {
    const char* const llamacpp = "a path to a .gguf file, hf.co/org/repo[:QUANT]";
    const char* const hub = "a Hugging Face id like org/repo or a path to a folder";
    const Refused rows[] = {
        {"llamacpp", "http://example.org/a.gguf", llamacpp},
        {"llamacpp", "https://example.org/a.bin", llamacpp},
        {"llamacpp", "https://u:p@example.org/a.gguf", llamacpp},
        {"llamacpp", "https://example.org/../../a.gguf", llamacpp},
        {"llamacpp", "hf.co/org/repo/../../a.gguf", llamacpp},
        {"llamacpp", "hf.co/org/repo/%2e%2e/a.gguf", llamacpp},
        {"llamacpp", "llama3.2", llamacpp},
        {"llamacpp", "/models", llamacpp},
        {"llamacpp", "hf.co/org", llamacpp},
        {"llamacpp", "hf.co/org/repo:", llamacpp},
        {"llamacpp", "hf.co/org/../etc", llamacpp},
        {"llamacpp", "hf.co/org/--port", llamacpp},
        {"llamacpp", "~/m.gguf", "written out"},
        {"llamacpp", "", llamacpp},
        {"llamacpp", "a\nb.gguf", llamacpp},
        {"llamacpp", std::string(5000, 'a') + ".gguf", llamacpp},
        {"ollama", "-v", "a tag like name[:tag]"},
        {"ollama", "name:", "a tag like"},
        {"ollama", "a b", "a tag like"},
        {"ollama", "/models/folder", "a tag like"},
        {"ollama", "h/a/b/c", "a tag like"},
        {"vllm", "/m/a.gguf", "start llamacpp"},
        {"vllm", "hf.co/org/repo:Q4_K_M", "Perhaps you mean org/repo."},
        {"sglang", "gpt2", hub},
        {"sglang", "org/repo/more", hub},
        {"vllm", "--trust-remote-code/x", hub},
        {"custom", "", "the name its server gives"},
        {"tensorrt", "a/b", "llamacpp, ollama, vllm, sglang, custom"},
    };
    for (const Refused& row : rows) {
        const auto model = parse_model(row.text, EngineName{row.engine});
        ASSERT_FALSE(model.has_value()) << row.engine << " " << row.text;
        EXPECT_EQ(model.error().code, ErrorCode::unprocessable) << row.text;
        EXPECT_TRUE(model.error().remedy.contains(row.remedy))
            << row.engine << " " << row.text << ": " << model.error().remedy;
        EXPECT_FALSE(model.error().message.empty());
    }
}

TEST(ModelRef, WritesBackWhatItReads) {
    for (const char* written : {"hf.co/org/repo", "hf.co/org/repo:Q4_K_M", "qwen2.5:1.5b"}) {
        const auto model = parse_model(written, EngineName{"ollama"});
        ASSERT_TRUE(model.has_value());
        EXPECT_EQ(text(*model), written);
    }
}

class ModelPathTest : public testing::Test {
protected:
    ModelPathTest() {
        std::string pattern = (fs::temp_directory_path() / "nova-model-XXXXXX").string();
        folder_ = fs::canonical(::mkdtemp(pattern.data()));
        fs::create_directories(folder_ / "models" / "qwen");
        fs::create_directories(folder_ / "models-private");
        std::ofstream{folder_ / "models" / "a.gguf"} << "x";
        std::ofstream{folder_ / "models-private" / "b.gguf"} << "x";
        fs::create_symlink(folder_ / "models-private" / "b.gguf", folder_ / "models" / "link.gguf");
        fs::create_directories(folder_ / "models" / "dir.gguf");
    }

    ~ModelPathTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    Result<fs::path> resolve(const fs::path& path) const {
        const std::array roots{folder_ / "absent", folder_ / "models"};
        return resolve_model_path(GgufPath{path}, folder_ / "models", roots);
    }

    fs::path folder_;
};

TEST_F(ModelPathTest, ResolvesRelativeAndAbsolutePaths) {
    EXPECT_EQ(resolve("a.gguf"), folder_ / "models" / "a.gguf");
    EXPECT_EQ(resolve("./qwen/../a.gguf"), folder_ / "models" / "a.gguf");
    EXPECT_EQ(resolve(folder_ / "models" / "a.gguf"), folder_ / "models" / "a.gguf");
    EXPECT_EQ(
        resolve_model_path(FolderPath{"qwen"}, folder_ / "models", {}), folder_ / "models" / "qwen"
    );
}

TEST_F(ModelPathTest, KeepsInsideTheAllowedRootsLinksIncluded) {
    for (const char* outside : {"../models-private/b.gguf", "link.gguf"}) {
        const auto path = resolve(outside);
        ASSERT_FALSE(path.has_value()) << outside;
        EXPECT_EQ(path.error().code, ErrorCode::forbidden) << outside;
        EXPECT_TRUE(path.error().remedy.contains("models")) << path.error().remedy;
    }
    EXPECT_TRUE(resolve_model_path(GgufPath{"link.gguf"}, folder_ / "models", {}).has_value())
        << "without roots a link may lead anywhere";
}

TEST_F(ModelPathTest, SaysWhatIsWrongWithAPath) {
    const auto missing = resolve("none.gguf");
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
    EXPECT_EQ(missing.error().word, "model_file_not_found");
    const auto folder = resolve("dir.gguf");
    ASSERT_FALSE(folder.has_value());
    EXPECT_TRUE(folder.error().message.contains("is a directory"));
    const auto file = resolve_model_path(FolderPath{"a.gguf"}, folder_ / "models", {});
    ASSERT_FALSE(file.has_value());
    EXPECT_TRUE(file.error().message.contains("is not a folder"));
}

}  // namespace
}  // namespace nova::catalog

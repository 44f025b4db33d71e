// MODEL on the command line and in the API: what forms there are, and which engine takes which.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/result.hpp"
#include "core/strong.hpp"

namespace nova::catalog {

// A GGUF file on this machine.
struct GgufPath {
    std::filesystem::path path;
    bool operator==(const GgufPath&) const = default;
};

// A folder with a model as Hugging Face lays it out.
struct FolderPath {
    std::filesystem::path path;
    bool operator==(const FolderPath&) const = default;
};

// hf.co/org/repo[:QUANT]: GGUF files in a Hugging Face repository.
struct HubGguf {
    std::string repository;    // "org/repo"
    std::string quantization;  // "Q4_K_M"; empty: the engine's default
    bool operator==(const HubGguf&) const = default;
};

// hf.co/org/repo/path/file.gguf, or a page or download link of such a file.
struct HubFile {
    std::string repository;
    std::string revision = "main";
    std::string path;  // inside the repository
    bool operator==(const HubFile&) const = default;
};

// An https address of one .gguf file anywhere else.
struct GgufUrl {
    std::string url;
    bool operator==(const GgufUrl&) const = default;
};

// org/repo: a Hugging Face repository as vLLM and SGLang load it.
struct HubModel {
    std::string id;
    bool operator==(const HubModel&) const = default;
};

// [host/][namespace/]name[:tag]
struct OllamaTag {
    std::string name;
    std::string tag;  // "latest" when none was given
    bool operator==(const OllamaTag&) const = default;
};

// A name only the server behind `custom` understands.
struct RemoteName {
    std::string name;
    bool operator==(const RemoteName&) const = default;
};

using ModelRef =
    std::variant<GgufPath, FolderPath, HubGguf, HubModel, OllamaTag, RemoteName, HubFile, GgufUrl>;

// Reads MODEL for an engine (llamacpp, ollama, vllm, sglang, custom). The same words can mean
// different things: "org/repo" is a repository to vllm and a tag to ollama.
// Error: unprocessable, naming the forms this engine takes and, where it can be told, what was
// probably meant. Touches no disk.
Result<ModelRef> parse_model(std::string_view text, const EngineName& engine);

// "a path to a .gguf file, hf.co/org/repo[:QUANT], ..."; empty for an engine it does not know.
std::string_view model_forms(const EngineName& engine);

// As the user would write it again.
std::string text(const ModelRef& model);

// What clients call the model unless an alias says otherwise: a file's name without its ending,
// everything else as written.
ModelId public_id(const ModelRef& model);

// Canonical path of a model that lies on this machine; relative paths count from `base`. Errors:
// not_found, unprocessable (a directory where a file is wanted and the other way round),
// forbidden (outside the allowed roots, links resolved; no roots: anywhere). Blocks on the disk.
Result<std::filesystem::path> resolve_model_path(
    const GgufPath& model, const std::filesystem::path& base,
    std::span<const std::filesystem::path> allowed_roots
);
Result<std::filesystem::path> resolve_model_path(
    const FolderPath& model, const std::filesystem::path& base,
    std::span<const std::filesystem::path> allowed_roots
);

}  // namespace nova::catalog

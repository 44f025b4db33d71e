// Ollama's own folder of models, read without its server: is a model there, and all of it?
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/units.hpp"

namespace nova::catalog {

// A name with everything Ollama would add: "qwen2.5" is registry.ollama.ai/library/qwen2.5:latest.
struct OllamaName {
    std::string host;
    std::string space;
    std::string model;
    std::string tag;

    // As its list of models shows it: without what is usual.
    std::string shown() const;
};

OllamaName ollama_name(std::string_view text);

// Size of the model's layers when its manifest and every one of them lie in that folder (what
// OLLAMA_MODELS names); empty when not, or when the folder is laid out in a way nova does not know.
// Blocks on the disk.
std::optional<Bytes>
size_in_ollama_store(const std::filesystem::path& folder, std::string_view name);

}  // namespace nova::catalog

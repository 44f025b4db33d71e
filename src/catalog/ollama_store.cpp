// manifests/HOST/SPACE/MODEL/TAG names blobs/sha256-HEX (Ollama 0.17.4, manifest/).
#include "catalog/ollama_store.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHost = "registry.ollama.ai";
constexpr std::string_view kSpace = "library";
constexpr std::uintmax_t kMostManifest = 4U * 1024U * 1024U;

bool is_plain(std::string_view part) {
    return !part.empty() && part != "." && part != ".." && !part.contains('/') &&
           !part.contains('\0');
}

std::string read_whole(const fs::path& path) {
    std::error_code code;
    const auto size = fs::file_size(path, code);
    if (code || size > kMostManifest) {
        return {};
    }
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

// Size of the blob when all of it is there.
std::optional<std::uint64_t> blob_size(const fs::path& folder, const Json& layer) {
    if (!layer.is_object()) {
        return std::nullopt;
    }
    JsonReader in{layer, "layer"};
    std::string digest = in.text("digest").value_or("");
    const std::int64_t size = in.integer("size").value_or(-1);
    if (!digest.starts_with("sha256:") || !is_plain(digest) || size < 0) {
        return std::nullopt;
    }
    digest[6] = '-';
    std::error_code code;
    const auto there = fs::file_size(folder / "blobs" / digest, code);
    if (code || there != static_cast<std::uintmax_t>(size)) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(size);
}

}  // namespace

std::string OllamaName::shown() const {
    if (host != kHost) {
        return fmt::format("{}/{}/{}:{}", host, space, model, tag);
    }
    return space == kSpace ? fmt::format("{}:{}", model, tag)
                           : fmt::format("{}/{}:{}", space, model, tag);
}

OllamaName ollama_name(std::string_view text) {
    OllamaName name{
        .host = std::string{kHost}, .space = std::string{kSpace}, .model = {}, .tag = "latest"
    };
    const auto slash = text.rfind('/');
    const auto colon = text.rfind(':');
    if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        name.tag = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    const auto last = text.rfind('/');
    name.model = text.substr(last == std::string_view::npos ? 0 : last + 1);
    if (last != std::string_view::npos) {
        text = text.substr(0, last);
        const auto first = text.find('/');
        name.space = text.substr(first == std::string_view::npos ? 0 : first + 1);
        if (first != std::string_view::npos) {
            name.host = text.substr(0, first);
        }
    }
    return name;
}

std::optional<Bytes> size_in_ollama_store(const fs::path& folder, std::string_view text) {
    const OllamaName name = ollama_name(text);
    if (!is_plain(name.host) || !is_plain(name.space) || !is_plain(name.model) ||
        !is_plain(name.tag)) {
        return std::nullopt;
    }
    const auto manifest = parse_json(
        read_whole(folder / "manifests" / name.host / name.space / name.model / name.tag),
        "manifest"
    );
    if (!manifest || !manifest->is_object() || !manifest->contains("layers") ||
        !(*manifest)["layers"].is_array() || !manifest->contains("config")) {
        return std::nullopt;
    }
    const auto config = blob_size(folder, (*manifest)["config"]);
    if (!config) {
        return std::nullopt;
    }
    Bytes sum{*config};
    for (const Json& layer : (*manifest)["layers"]) {
        const auto size = blob_size(folder, layer);
        if (!size) {
            return std::nullopt;
        }
        sum = sum + Bytes{*size};
    }
    return sum;
}

}  // namespace nova::catalog

// Small JSON files; one that cannot be read is as good as none.
#include "catalog/weights_manifest.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "catalog/part_file.hpp"
#include "core/json.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".nova.json";
constexpr std::uintmax_t kMostDocument = 1024U * 1024U;
constexpr std::size_t kMostAsked = 64;

std::optional<Json> read_document(const fs::path& path) {
    std::error_code code;
    const auto size = fs::file_size(path, code);
    if (code || size > kMostDocument) {
        return std::nullopt;
    }
    std::ifstream in{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    auto value = parse_json(text, "manifest");
    return value && value->is_object() ? std::optional{*std::move(value)} : std::nullopt;
}

std::optional<WeightsManifest> manifest_from(const Json& value) {
    JsonReader in{value, "manifest"};
    WeightsManifest manifest{.source = in.required_text("source"), .asked = {}, .files = {}};
    if (const Json* asked = in.array("asked")) {
        for (const Json& wish : *asked) {
            manifest.asked.push_back(wish.is_string() ? wish.get<std::string>() : std::string{});
        }
    }
    const Json* files = in.array("files");
    if (files == nullptr || files->empty()) {
        return std::nullopt;
    }
    for (const Json& item : *files) {
        if (!item.is_object()) {
            return std::nullopt;
        }
        JsonReader file{item, "manifest.files"};
        manifest.files.push_back(
            {.path = file.required_text("path"),
             .size = static_cast<std::uint64_t>(file.required_integer("size")),
             .sha256 = file.text("sha256").value_or(""),
             .etag = file.text("etag").value_or("")}
        );
        if (file.error()) {
            return std::nullopt;
        }
    }
    return in.error() ? std::nullopt : std::optional{std::move(manifest)};
}

bool files_are_there(const fs::path& folder, const WeightsManifest& manifest) {
    return std::ranges::all_of(manifest.files, [&](const ManifestFile& file) {
        std::error_code code;
        const auto size = fs::file_size(folder / file.path, code);
        return !code && size == file.size;
    });
}

std::optional<WeightsManifest> load(const fs::path& folder, const fs::path& path) {
    const auto value = read_document(path);
    auto manifest = value ? manifest_from(*value) : std::nullopt;
    return manifest && files_are_there(folder, *manifest) ? manifest : std::nullopt;
}

}  // namespace

fs::path manifest_path(const fs::path& folder, std::string_view first) {
    return folder / std::string{first}.append(kEnding);
}

Result<void> save_manifest(const fs::path& folder, const WeightsManifest& manifest) {
    Json files = Json::array();
    for (const ManifestFile& file : manifest.files) {
        files.push_back(
            {{"path", file.path}, {"size", file.size}, {"sha256", file.sha256}, {"etag", file.etag}}
        );
    }
    Json asked = Json::array();
    const std::size_t skipped = manifest.asked.size() - std::min(manifest.asked.size(), kMostAsked);
    for (std::size_t i = skipped; i < manifest.asked.size(); ++i) {
        asked.push_back(manifest.asked[i]);
    }
    const Json document{
        {"version", 1}, {"source", manifest.source}, {"asked", asked}, {"files", files}
    };
    return write_whole(
        manifest_path(folder, manifest.files.front().path), json_text(document, 2) + "\n"
    );
}

std::optional<WeightsManifest> load_manifest(const fs::path& folder, std::string_view first) {
    return load(folder, manifest_path(folder, first));
}

std::optional<WeightsManifest> find_manifest(const fs::path& folder, std::string_view wish) {
    std::error_code code;
    for (fs::recursive_directory_iterator at{folder, code}, end; !code && at != end;
         at.increment(code)) {
        if (!at->path().filename().string().ends_with(kEnding)) {
            continue;
        }
        auto manifest = load(folder, at->path());
        if (manifest && std::ranges::find(manifest->asked, wish) != manifest->asked.end()) {
            return manifest;
        }
    }
    return std::nullopt;
}

Bytes total_size(const WeightsManifest& manifest) {
    Bytes sum;
    for (const ManifestFile& file : manifest.files) {
        sum = sum + Bytes{file.size};
    }
    return sum;
}

Result<void> save_note(const fs::path& path, const PartNote& note) {
    Json document{{"source", note.source}, {"sha256", note.sha256}, {"etag", note.etag}};
    if (note.size) {
        document["size"] = *note.size;
    }
    return write_whole(path, json_text(document) + "\n");
}

std::optional<PartNote> load_note(const fs::path& path) {
    const auto value = read_document(path);
    if (!value) {
        return std::nullopt;
    }
    JsonReader in{*value, "note"};
    PartNote note{
        .source = in.required_text("source"),
        .sha256 = in.text("sha256").value_or(""),
        .etag = in.text("etag").value_or("")
    };
    if (const auto size = in.integer("size")) {
        note.size = static_cast<std::uint64_t>(*size);
    }
    return in.error() ? std::nullopt : std::optional{std::move(note)};
}

}  // namespace nova::catalog

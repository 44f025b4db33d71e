// What is written down beside downloaded weights: where they are from and how to know them again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "core/units.hpp"

namespace nova::catalog {

struct ManifestFile {
    std::string path;  // below the repository's folder
    std::uint64_t size = 0;
    std::string sha256;  // of the bytes as they were written
    std::string etag{};

    bool operator==(const ManifestFile&) const = default;
};

// Lies as FIRST-FILE.nova.json in the repository's folder, and is written last: what has one is
// complete.
struct WeightsManifest {
    std::string source;              // "https://huggingface.co/org/repo"
    std::vector<std::string> asked;  // wishes that lead here, so that they need no network again
    std::vector<ManifestFile> files;

    bool operator==(const WeightsManifest&) const = default;
};

std::filesystem::path manifest_path(const std::filesystem::path& folder, std::string_view first);
Result<void> save_manifest(const std::filesystem::path& folder, const WeightsManifest& manifest);
// Empty when there is none, or one that does not hold together with the files beside it.
std::optional<WeightsManifest>
load_manifest(const std::filesystem::path& folder, std::string_view first);
// The one whose wishes name this one. Blocks on the disk.
std::optional<WeightsManifest>
find_manifest(const std::filesystem::path& folder, std::string_view wish);

Bytes total_size(const WeightsManifest& manifest);

// Beside a .part file: what it is going to be. Without it, or with another one, it starts over.
struct PartNote {
    std::string source;
    std::string sha256;  // as promised; may be empty
    std::optional<std::uint64_t> size{};
    std::string etag{};  // of the answer its bytes came from; weak ones are left out

    bool operator==(const PartNote&) const = default;
};

Result<void> save_note(const std::filesystem::path& path, const PartNote& note);
std::optional<PartNote> load_note(const std::filesystem::path& path);

}  // namespace nova::catalog

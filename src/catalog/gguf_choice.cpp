// File names are the only thing that tells quantisations of a repository apart before a download.
#include "catalog/gguf_choice.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace nova::catalog {
namespace {

// Without a wish: what fits most machines and loses little. Q4_K_M is also the hub's own default.
constexpr std::array<std::string_view, 14> kPreferred{"Q4_K_M", "Q4_K_S", "IQ4_NL", "IQ4_XS",
                                                      "Q4_0",   "Q4_1",   "Q5_K_M", "Q5_K_S",
                                                      "Q5_0",   "Q6_K",   "Q8_0",   "F16",
                                                      "BF16",   "F32"};
constexpr std::size_t kMostNamed = 12;  // in one sentence

std::string uppered(std::string_view text) {
    std::string up{text};
    std::ranges::transform(up, up.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return up;
}

bool all_digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

struct PartName {
    std::string whole;  // the path without "-00001-of-00002.gguf"
    std::string part;
    std::string count;
};

// NAME-00001-of-00002.gguf, as llama.cpp's gguf-split writes it.
std::optional<PartName> part_name(std::string_view path) {
    constexpr std::size_t kTail = std::string_view{"-00001-of-00002.gguf"}.size();
    if (path.size() <= kTail) {
        return std::nullopt;
    }
    const std::string_view tail = path.substr(path.size() - kTail);
    if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !all_digits(tail.substr(1, 5)) ||
        !all_digits(tail.substr(10, 5)) || uppered(tail.substr(15)) != ".GGUF") {
        return std::nullopt;
    }
    return PartName{
        std::string{path.substr(0, path.size() - kTail)}, std::string{tail.substr(1, 5)},
        std::string{tail.substr(10, 5)}
    };
}

std::string stem_of(std::string_view path) {
    if (const auto part = part_name(path)) {
        return part->whole;
    }
    return std::string{path.substr(0, path.size() - std::string_view{".gguf"}.size())};
}

// Projectors and calibration data lie beside models and are none.
bool is_model(const HubEntry& entry) {
    const std::string name = uppered(entry.path.substr(entry.path.rfind('/') + 1));
    return name.ends_with(".GGUF") && name.size() > 5 && !name.starts_with("MMPROJ") &&
           !name.contains("IMATRIX");
}

bool looks_like_quantization(std::string_view word) {
    if (word == "F16" || word == "F32" || word == "BF16" || word == "FP16" || word == "MXFP4" ||
        word.starts_with("MXFP4_")) {
        return true;
    }
    for (const std::string_view start : {"IQ", "TQ", "Q"}) {
        if (word.starts_with(start) && word.size() > start.size() && word[start.size()] >= '1' &&
            word[start.size()] <= '9') {
            return true;
        }
    }
    return false;
}

bool is_border(char c) {
    return c == '-' || c == '.' || c == '/';
}

// The words between dashes, dots and slashes, last first.
std::vector<std::string> words_backwards(const std::string& stem) {
    std::vector<std::string> words;
    std::size_t end = stem.size();
    while (true) {
        std::size_t begin = end;
        while (begin > 0 && !is_border(stem[begin - 1])) {
            --begin;
        }
        words.push_back(stem.substr(begin, end - begin));
        if (begin == 0) {
            return words;
        }
        end = begin - 1;
    }
}

// A wish fits the end of the name: "Q4_K_M" fits "Model-Q4_K_M" and, with its dash, "UD-Q4_K_XL".
bool fits(const std::string& path, const std::string& wanted) {
    const std::string stem = uppered(stem_of(path));
    if (stem == wanted ||
        (stem.ends_with(wanted) && is_border(stem[stem.size() - wanted.size() - 1]))) {
        return true;
    }
    return quantization_of(path) == wanted;
}

bool is_dynamic(const std::string& path) {
    return uppered(path).contains("UD-");
}

std::unexpected<Error> parts_missing(std::string_view repository, const PartName& part) {
    return fail(
        ErrorCode::unprocessable,
        fmt::format("{} does not have all {} parts of {}.", repository, part.count, part.whole),
        "Choose another quantisation or another repository."
    );
}

Result<GgufSet> whole_model(
    std::span<const HubEntry> entries, std::string_view repository, const HubEntry& chosen
) {
    const auto cut = part_name(chosen.path);
    if (!cut) {
        return GgufSet{{chosen}};
    }
    std::map<std::string, HubEntry> parts;
    for (const HubEntry& entry : entries) {
        const auto other = part_name(entry.path);
        if (other && other->whole == cut->whole && other->count == cut->count) {
            parts.emplace(other->part, entry);
        }
    }
    GgufSet set;
    const int count = std::stoi(cut->count);
    for (int i = 1; i <= count; ++i) {
        const auto at = parts.find(fmt::format("{:05}", i));
        if (at == parts.end()) {
            return parts_missing(repository, *cut);
        }
        set.files.push_back(at->second);
    }
    return set;
}

std::set<std::string> quantizations(const std::vector<const HubEntry*>& models) {
    std::set<std::string> words;
    for (const HubEntry* model : models) {
        const std::string word = quantization_of(model->path);
        words.insert(word.empty() ? model->path : word);
        if (words.size() == kMostNamed) {
            break;
        }
    }
    return words;
}

// One per model, the parts of a cut one counted once.
std::vector<const HubEntry*>
fitting(const std::vector<const HubEntry*>& models, const std::string& wanted) {
    std::vector<const HubEntry*> found;
    std::set<std::string> stems;
    for (const HubEntry* model : models) {
        if (fits(model->path, wanted) && stems.insert(stem_of(model->path)).second) {
            found.push_back(model);
        }
    }
    // Unsloth's dynamic ones are called UD-Q4_K_XL beside a plain Q4_K_XL.
    const bool plain = std::ranges::any_of(found, [](auto* m) { return !is_dynamic(m->path); });
    if (plain && !wanted.starts_with("UD-")) {
        std::erase_if(found, [](auto* m) { return is_dynamic(m->path); });
    }
    return found;
}

}  // namespace

Bytes GgufSet::total() const {
    Bytes sum;
    for (const HubEntry& file : files) {
        sum = sum + Bytes{file.size};
    }
    return sum;
}

std::string quantization_of(std::string_view path) {
    for (const std::string& word : words_backwards(uppered(stem_of(path)))) {
        if (looks_like_quantization(word)) {
            return word;
        }
    }
    return {};
}

Result<GgufSet> choose_gguf(
    std::span<const HubEntry> entries, std::string_view repository, std::string_view quantization
) {
    std::vector<const HubEntry*> models;
    for (const HubEntry& entry : entries) {
        if (is_model(entry)) {
            models.push_back(&entry);
        }
    }
    if (models.empty()) {
        return fail(
            ErrorCode::not_found, fmt::format("{} has no GGUF files.", repository),
            "Choose a repository with GGUF files; their names often end in -GGUF."
        );
    }
    std::vector<std::string> wishes{kPreferred.begin(), kPreferred.end()};
    if (!quantization.empty()) {
        wishes = {uppered(quantization)};
    }
    std::vector<const HubEntry*> found;
    for (std::size_t i = 0; i < wishes.size() && found.empty(); ++i) {
        found = fitting(models, wishes[i]);
    }
    if (found.empty() && quantization.empty() && models.size() == 1) {
        found = models;
    }
    if (found.size() == 1) {
        return whole_model(entries, repository, *found.front());
    }
    if (found.empty()) {
        return fail(
            ErrorCode::not_found,
            quantization.empty()
                ? fmt::format("nova cannot tell which file of {} is meant.", repository)
                : fmt::format("{} has no GGUF file for {}.", repository, quantization),
            fmt::format("There are: {}.", fmt::join(quantizations(models), ", "))
        );
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::min(found.size(), kMostNamed); ++i) {
        names.push_back(fmt::format("hf.co/{}/{}", repository, found[i]->path));
    }
    return fail(
        ErrorCode::unprocessable, fmt::format("Several files of {} fit.", repository),
        fmt::format("Name one: {}.", fmt::join(names, ", "))
    );
}

Result<GgufSet> choose_gguf_file(
    std::span<const HubEntry> entries, std::string_view repository, std::string_view path
) {
    const auto at = std::ranges::find(entries, path, &HubEntry::path);
    if (at == entries.end() || !uppered(path).ends_with(".GGUF")) {
        return fail(
            ErrorCode::not_found, fmt::format("{} has no file {}.", repository, path),
            fmt::format("See what it has, or let nova choose: hf.co/{}", repository)
        );
    }
    return whole_model(entries, repository, *at);
}

}  // namespace nova::catalog

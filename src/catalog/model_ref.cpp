// The grammar of MODEL, decided by form alone, and the way from a path to a file that may be used.
#include "catalog/model_ref.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "catalog/web_url.hpp"
#include "net/percent.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostModelText = 4096;  // PATH_MAX; names are far shorter
constexpr std::size_t kMostNameText = 512;
constexpr std::size_t kMostSegment = 96;  // Hugging Face's own limit for either half of an id

struct EngineForms {
    std::string_view engine;
    std::string_view forms;
};

// decisions.md 2.13
constexpr std::array<EngineForms, 5> kForms{{
    {"llamacpp", "a path to a .gguf file, hf.co/org/repo[:QUANT], hf.co/org/repo/FILE.gguf or an "
                 "https address of a .gguf file"},
    {"ollama", "a tag like name[:tag], hf.co/org/repo[:QUANT], a path to a .gguf file or an https "
               "address of one"},
    {"vllm", "a Hugging Face id like org/repo or a path to a folder"},
    {"sglang", "a Hugging Face id like org/repo or a path to a folder"},
    {"custom", "the name its server gives the model"},
}};

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

// One half of a repository id, a tag, a quantisation. Not beginning with a dash: it must never be
// taken for an option where it ends up in a command line.
bool is_segment(std::string_view text) {
    return !text.empty() && text.size() <= kMostSegment && text.front() != '-' &&
           text.front() != '.' && text.back() != '.' && !text.contains("..") &&
           std::ranges::all_of(text, is_name_character);
}

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(at);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

bool is_repository(std::string_view text) {
    const auto parts = split(text, '/');
    return parts.size() == 2 && is_segment(parts[0]) && is_segment(parts[1]);
}

bool ends_like_gguf(std::string_view text) {
    return lowered(text).ends_with(".gguf");
}

bool is_clean(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
    });
}

bool begins_like_path(std::string_view text) {
    return text.starts_with('/') || text.starts_with("./") || text.starts_with("../") ||
           text == "." || text == "..";
}

// What follows hf.co/, in any of the spellings people paste.
std::optional<std::string_view> after_hub_host(std::string_view text) {
    for (const std::string_view scheme : {"https://", "http://", ""}) {
        for (const std::string_view host : {"hf.co/", "huggingface.co/"}) {
            const std::string start = std::string{scheme}.append(host);
            if (lowered(text.substr(0, start.size())) == start) {
                return text.substr(start.size());
            }
        }
    }
    return std::nullopt;
}

std::optional<HubGguf> parse_hub_gguf(std::string_view rest) {
    const auto colon = rest.find(':');
    const std::string_view repository = rest.substr(0, colon);
    const std::string_view quantization =
        colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
    if (!is_repository(repository) ||
        (colon != std::string_view::npos && !is_segment(quantization))) {
        return std::nullopt;
    }
    return HubGguf{std::string{repository}, std::string{quantization}};
}

bool is_path_inside(std::string_view path) {
    for (const std::string_view segment : split(path, '/')) {
        if (segment.empty() || segment == "." || segment == ".." || segment.contains('\\')) {
            return false;
        }
    }
    return true;
}

// org/repo/FILE.gguf, or what a browser shows: org/repo/blob/REVISION/FILE.gguf?download=true.
std::optional<HubFile> parse_hub_file(std::string_view rest) {
    const auto plain =
        net::percent_decoded(rest.substr(0, rest.find_first_of("?#")), net::PlusSign::literal);
    if (!plain || !ends_like_gguf(*plain) || !is_clean(*plain)) {
        return std::nullopt;
    }
    const auto parts = split(*plain, '/');
    if (parts.size() < 3 || !is_segment(parts[0]) || !is_segment(parts[1])) {
        return std::nullopt;
    }
    HubFile file{.repository = fmt::format("{}/{}", parts[0], parts[1]), .path = {}};
    std::size_t first = 2;
    if (parts.size() > 4 && (parts[2] == "resolve" || parts[2] == "blob")) {
        file.revision = parts[3];
        first = 4;
    }
    file.path = plain->substr(static_cast<std::size_t>(parts[first].data() - plain->data()));
    if (!is_segment(file.revision) || !is_path_inside(file.path)) {
        return std::nullopt;
    }
    return file;
}

// https, or http on loopback, where a test or a mirror of one's own may be.
std::optional<GgufUrl> parse_gguf_url(std::string_view text) {
    const auto url = parse_web_url(text);
    if (!url || (!url->endpoint.tls && !is_loopback(url->endpoint)) ||
        !ends_like_gguf(url->path()) || !is_path_inside(url->path().substr(1))) {
        return std::nullopt;
    }
    return GgufUrl{std::string{text.substr(0, text.find('#'))}};
}

// The forms both engines for GGUF files know; nothing: it is none of them.
std::optional<ModelRef> parse_remote_gguf(std::string_view text) {
    if (const auto rest = after_hub_host(text)) {
        if (auto file = parse_hub_file(*rest)) {
            return *std::move(file);
        }
        if (auto hub = parse_hub_gguf(*rest)) {
            return *std::move(hub);
        }
    } else if (auto url = parse_gguf_url(text)) {
        return *std::move(url);
    }
    return std::nullopt;
}

bool is_remote(std::string_view text) {
    return after_hub_host(text).has_value() || text.contains("://");
}

// The host may carry a port; then the first colon is not the tag's.
bool is_registry_host(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) {
        return is_segment(text);
    }
    const std::string_view port = text.substr(colon + 1);
    return is_segment(text.substr(0, colon)) && !port.empty() && port.size() <= 5 &&
           std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<OllamaTag> parse_ollama_tag(std::string_view text) {
    const auto slash = text.rfind('/');
    const auto colon = text.rfind(':');
    const bool tagged =
        colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
    const std::string_view name = tagged ? text.substr(0, colon) : text;
    const std::string_view tag = tagged ? text.substr(colon + 1) : "latest";
    const auto parts = split(name, '/');
    if (parts.size() > 3 || !is_segment(tag)) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool host = i == 0 && parts.size() == 3;
        if (!(host ? is_registry_host(parts[i]) : is_segment(parts[i]))) {
            return std::nullopt;
        }
    }
    return OllamaTag{std::string{name}, std::string{tag}};
}

std::unexpected<Error> refused(std::string message, const EngineName& engine, std::string meant) {
    std::string remedy = fmt::format("{} takes {}.", engine.value, model_forms(engine));
    if (!meant.empty()) {
        remedy += fmt::format(" Perhaps you mean {}.", meant);
    }
    return fail(ErrorCode::unprocessable, std::move(message), std::move(remedy));
}

std::unexpected<Error>
wrong_form(std::string_view text, const EngineName& engine, std::string meant = {}) {
    return refused(
        fmt::format("\"{}\" is no model that {} can run.", text, engine.value), engine,
        std::move(meant)
    );
}

Result<ModelRef> parse_for_llamacpp(std::string_view text, const EngineName& engine) {
    if (auto remote = parse_remote_gguf(text)) {
        return *std::move(remote);
    }
    if (is_remote(text)) {
        return wrong_form(text, engine);
    }
    if (ends_like_gguf(text)) {
        return GgufPath{fs::path{text}};
    }
    if (auto hub = parse_hub_gguf(text); hub && !begins_like_path(text)) {
        return *std::move(hub);
    }
    return wrong_form(text, engine);
}

Result<ModelRef> parse_for_ollama(std::string_view text, const EngineName& engine) {
    if (auto remote = parse_remote_gguf(text)) {
        return *std::move(remote);
    }
    if (is_remote(text)) {
        return wrong_form(text, engine);
    }
    if (ends_like_gguf(text)) {
        return GgufPath{fs::path{text}};
    }
    if (begins_like_path(text)) {
        return wrong_form(text, engine);
    }
    if (auto tag = parse_ollama_tag(text)) {
        return *std::move(tag);
    }
    return wrong_form(text, engine);
}

Result<ModelRef> parse_for_transformers(std::string_view text, const EngineName& engine) {
    if (const auto rest = after_hub_host(text)) {
        const std::string_view repository = rest->substr(0, rest->find(':'));
        return wrong_form(
            text, engine, is_repository(repository) ? std::string{repository} : std::string{}
        );
    }
    if (ends_like_gguf(text)) {
        return wrong_form(text, engine, "to start llamacpp, which runs GGUF files");
    }
    if (begins_like_path(text)) {
        return FolderPath{fs::path{text}};
    }
    if (is_repository(text)) {
        return HubModel{std::string{text}};
    }
    return wrong_form(text, engine);
}

bool is_inside(const fs::path& path, const fs::path& root) {
    std::error_code code;
    const fs::path real = fs::canonical(root, code);
    if (code) {
        return false;
    }
    const auto [at, unused] = std::mismatch(real.begin(), real.end(), path.begin(), path.end());
    return at == real.end();
}

Result<fs::path>
resolve(const fs::path& named, const fs::path& base, std::span<const fs::path> allowed_roots) {
    const fs::path full = named.is_absolute() ? named : base / named;
    std::error_code code;
    const fs::path real = fs::canonical(full, code);
    if (code == std::errc::permission_denied) {
        return fail(
            ErrorCode::forbidden, fmt::format("{} may not be read by this user.", full.string()),
            "Allow it, or move the model to a folder nova may read."
        );
    }
    if (code) {
        return fail(Error{
            .code = ErrorCode::not_found,
            .message = fmt::format("There is no model at {}.", full.string()),
            .word = "model_file_not_found",
            .remedy = "Check the path; a model has to be downloaded before it can be started.",
        });
    }
    if (allowed_roots.empty() ||
        std::ranges::any_of(allowed_roots, [&](const fs::path& r) { return is_inside(real, r); })) {
        return real;
    }
    std::string roots;
    for (const fs::path& root : allowed_roots) {
        roots += (roots.empty() ? "" : ", ") + root.string();
    }
    return fail(
        ErrorCode::forbidden,
        fmt::format("{} lies outside the folders nova takes models from.", real.string()),
        fmt::format("Move it into one of: {}.", roots)
    );
}

}  // namespace

std::string_view model_forms(const EngineName& engine) {
    const auto it = std::ranges::find(kForms, engine.value, &EngineForms::engine);
    return it == kForms.end() ? std::string_view{} : it->forms;
}

Result<ModelRef> parse_model(std::string_view text, const EngineName& engine) {
    if (model_forms(engine).empty()) {
        return fail(
            ErrorCode::unprocessable, fmt::format("There is no engine called {}.", engine.value),
            "Name one of llamacpp, ollama, vllm, sglang, custom."
        );
    }
    if (text.empty()) {
        return refused("The model is missing.", engine, {});
    }
    const bool is_file = begins_like_path(text) || ends_like_gguf(text);
    if (!is_clean(text) || text.size() > (is_file ? kMostModelText : kMostNameText)) {
        return refused("The model's name is too long or has control characters.", engine, {});
    }
    // Shells expand it only unquoted and at the start of a word: --model=~/x arrives as it is.
    if (text.starts_with("~/")) {
        return wrong_form(text, engine, "the same path written out from /");
    }
    if (engine.value == "llamacpp") {
        return parse_for_llamacpp(text, engine);
    }
    if (engine.value == "ollama") {
        return parse_for_ollama(text, engine);
    }
    if (engine.value == "custom") {
        return RemoteName{std::string{text}};
    }
    return parse_for_transformers(text, engine);
}

std::string text(const ModelRef& model) {
    struct Writer {
        std::string operator()(const GgufPath& m) const { return m.path.string(); }

        std::string operator()(const FolderPath& m) const { return m.path.string(); }

        std::string operator()(const HubGguf& m) const {
            return m.quantization.empty()
                       ? fmt::format("hf.co/{}", m.repository)
                       : fmt::format("hf.co/{}:{}", m.repository, m.quantization);
        }

        std::string operator()(const HubModel& m) const { return m.id; }

        std::string operator()(const HubFile& m) const {
            return m.revision == "main"
                       ? fmt::format("hf.co/{}/{}", m.repository, m.path)
                       : fmt::format("hf.co/{}/resolve/{}/{}", m.repository, m.revision, m.path);
        }

        std::string operator()(const GgufUrl& m) const { return m.url; }

        std::string operator()(const OllamaTag& m) const {
            return fmt::format("{}:{}", m.name, m.tag);
        }

        std::string operator()(const RemoteName& m) const { return m.name; }
    };

    return std::visit(Writer{}, model);
}

ModelId public_id(const ModelRef& model) {
    if (const auto* file = std::get_if<GgufPath>(&model)) {
        return ModelId{file->path.stem().string()};
    }
    if (const auto* folder = std::get_if<FolderPath>(&model)) {
        const fs::path clean = (folder->path / "").lexically_normal().parent_path();
        return ModelId{clean.filename().string()};
    }
    if (const auto* file = std::get_if<HubFile>(&model)) {
        return ModelId{fs::path{file->path}.stem().string()};
    }
    if (const auto* file = std::get_if<GgufUrl>(&model)) {
        const auto url = parse_web_url(file->url);
        return ModelId{url ? fs::path{url->path()}.stem().string() : file->url};
    }
    return ModelId{text(model)};
}

Result<fs::path> resolve_model_path(
    const GgufPath& model, const fs::path& base, std::span<const fs::path> allowed_roots
) {
    auto real = resolve(model.path, base, allowed_roots);
    std::error_code code;
    if (!real || fs::is_regular_file(*real, code)) {
        return real;
    }
    const bool folder = fs::is_directory(*real, code);
    return fail(
        ErrorCode::unprocessable,
        fmt::format("{} is {}.", real->string(), folder ? "a directory" : "not a regular file"),
        folder ? "Name the .gguf file inside it." : "Name a .gguf file."
    );
}

Result<fs::path> resolve_model_path(
    const FolderPath& model, const fs::path& base, std::span<const fs::path> allowed_roots
) {
    auto real = resolve(model.path, base, allowed_roots);
    std::error_code code;
    if (!real || fs::is_directory(*real, code)) {
        return real;
    }
    return fail(
        ErrorCode::unprocessable, fmt::format("{} is not a folder.", real->string()),
        "Name the folder with config.json and the weights."
    );
}

}  // namespace nova::catalog

// Ollama answers 200 before it knows whether the model exists; the truth stands in the lines.
#include "catalog/pull_reply.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::catalog {
namespace {

constexpr std::size_t kMostLine = 64U * 1024U;
constexpr std::size_t kMostLayers = 10'000;
constexpr std::size_t kMostWords = 300;
constexpr std::int64_t kMostSize = std::int64_t{1} << 50;  // sums must not wrap

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

enum class Cause : std::uint8_t { missing, refused, disk, away, damaged, too_old };

struct Signature {
    std::string_view fragment;  // lower case
    Cause cause;
};

// Ollama 0.17.4, server/images.go and server/download.go; the first match wins.
constexpr std::array<Signature, 20> kSignatures{{
    {"no space left on device", Cause::disk},
    {"file does not exist", Cause::missing},
    {"not found", Cause::missing},
    {"invalid model name", Cause::missing},
    {"repository name not known", Cause::missing},
    {"newer version of ollama", Cause::too_old},
    {"unauthorized", Cause::refused},
    {"access denied", Cause::refused},
    {"forbidden", Cause::refused},
    {"401:", Cause::refused},
    {"digest mismatch", Cause::damaged},
    {"no such host", Cause::away},
    {"connection refused", Cause::away},
    {"connection reset", Cause::away},
    {"network is unreachable", Cause::away},
    {"i/o timeout", Cause::away},
    {"tls:", Cause::away},
    {"deadline exceeded", Cause::away},
    {"unexpected eof", Cause::away},
    {"max retries exceeded", Cause::away},
}};

}  // namespace

void PullReply::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, end);
        if (!skipping_ && pending_.size() + piece.size() > kMostLine) {
            skipping_ = true;
            pending_.clear();
        }
        if (!skipping_) {
            pending_.append(piece);
        }
        if (end == std::string_view::npos) {
            return;
        }
        if (!skipping_) {
            line(pending_);
        }
        pending_.clear();
        skipping_ = false;
        bytes.remove_prefix(end + 1);
    }
}

std::optional<std::uint64_t> PullReply::total() const {
    return layers_.empty() ? std::nullopt : std::optional{total_};
}

void PullReply::line(std::string_view text) {
    const auto value = parse_json(text, "progress");
    if (!value || !value->is_object()) {
        return;
    }
    JsonReader in{*value, "progress"};
    if (auto words = in.text("error")) {
        words->resize(std::min(words->size(), kMostWords));
        error_ = std::move(*words);
        return;
    }
    auto status = in.text("status");
    if (!status) {
        return;
    }
    status->resize(std::min(status->size(), kMostWords));
    status_ = *std::move(status);
    succeeded_ = status_ == "success";
    const auto digest = in.text("digest");
    const auto total = in.integer("total");
    moving_ = digest && total;
    if (moving_) {
        count(*digest, *total, in.integer("completed").value_or(0));
    }
}

void PullReply::count(const std::string& digest, std::int64_t total, std::int64_t completed) {
    if (total < 0 || total > kMostSize || completed < 0 || digest.size() > kMostWords ||
        (layers_.size() >= kMostLayers && !layers_.contains(digest))) {
        return;
    }
    Layer& layer = layers_[digest];
    done_ -= layer.completed;
    total_ -= layer.total;
    layer.total = static_cast<std::uint64_t>(total);
    layer.completed = std::min(static_cast<std::uint64_t>(completed), layer.total);
    done_ += layer.completed;
    total_ += layer.total;
}

Error explain_pull_error(std::string_view words, std::string_view model) {
    const std::string text = lowered(words);
    const auto at = std::ranges::find_if(kSignatures, [&](const Signature& signature) {
        return text.contains(signature.fragment);
    });
    if (at == kSignatures.end()) {
        return {
            .code = ErrorCode::upstream_failed,
            .message = fmt::format("Ollama cannot pull {}: {}", model, words),
            .remedy = "Try again later; what was downloaded is kept."
        };
    }
    const auto error = [](ErrorCode code, std::string message, std::string remedy) {
        return Error{.code = code, .message = std::move(message), .remedy = std::move(remedy)};
    };
    switch (at->cause) {
    case Cause::missing:
        return error(
            ErrorCode::not_found, fmt::format("Ollama's registry has no {}.", model),
            "Check name and tag: https://ollama.com/search lists what there is."
        );
    case Cause::refused:
        return error(
            ErrorCode::forbidden,
            fmt::format("The registry does not give {} to this machine.", model),
            "It is private or gated. For one of Hugging Face start llamacpp with the same name and "
            "HF_TOKEN set; else choose another."
        );
    case Cause::disk:
        return error(
            ErrorCode::exhausted, fmt::format("The disk is full: {} does not fit.", model),
            "Make room or choose a smaller model; what was downloaded is kept."
        );
    case Cause::away:
        return error(
            ErrorCode::unavailable,
            fmt::format("The registry of {} cannot be reached: {}", model, words),
            "Check the network; what was downloaded is kept."
        );
    case Cause::damaged:
        return error(
            ErrorCode::upstream_failed,
            fmt::format("What arrived of {} is not what its registry promised.", model),
            "Pull again: the damaged part is fetched anew."
        );
    case Cause::too_old:
        return error(
            ErrorCode::unsupported, fmt::format("This Ollama is too old for {}.", model),
            "Install a newer Ollama, or choose another model."
        );
    }
    return {};
}

}  // namespace nova::catalog

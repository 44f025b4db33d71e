// A table of fragments seen in logs (llama.cpp b11434 and Ollama 0.17.4: observed; the others are
// documented in their projects' issue trackers).
#include "lifecycle/failure_reading.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace nova::lifecycle {
namespace {

struct Signature {
    std::string_view fragment;  // lower case
    std::string_view code;
    bool terminal;
    std::string_view cause;
    std::string_view remedy;
};

// First match wins: the more telling ones stand first.
constexpr Signature kSignatures[] = {
    {"address already in use", "port_in_use", false, "The engine's port is in use.",
     "End the other program, or let nova choose a port."},
    {"couldn't bind http server socket", "port_in_use", false, "The engine's port is in use.",
     "End the other program, or let nova choose a port."},
    {"error while loading shared libraries", "library_missing", true,
     "The engine's program lacks a library.", "Install the engine again (nova doctor names it)."},
    {"error: invalid argument", "bad_flag", true, "The engine does not know one of its flags.",
     "Remove the flag, or use the engine build it belongs to."},
    {"unrecognized arguments", "bad_flag", true, "The engine does not know one of its flags.",
     "Remove the flag, or use the engine build it belongs to."},
    {"error while handling argument", "bad_flag", true, "The engine refuses the value of a flag.",
     "Correct the option; the log excerpt names it."},
    {"invalid magic", "model_broken", true, "The model file is not a GGUF file.",
     "Fetch the model again."},
    {"is not within the file bounds", "model_broken", true, "The model file is cut short.",
     "Fetch the model again."},
    {"failed to read tensor", "model_broken", true, "The model file is cut short.",
     "Fetch the model again."},
    {"failed to load model from file", "model_broken", true,
     "The engine cannot read the model file.", "Fetch the model again, or choose another."},
    {"unknown model architecture", "model_unsupported", true,
     "This build of the engine does not know the model's architecture.",
     "Use a newer engine or another model."},
    {"cuda out of memory", "out_of_memory", true, "The GPU has too little memory for this.",
     "Choose a smaller model, a smaller context or fewer gpu_layers."},
    {"cudamalloc failed: out of memory", "out_of_memory", true,
     "The GPU has too little memory for this.",
     "Choose a smaller model, a smaller context or fewer gpu_layers."},
    {"failed to allocate", "out_of_memory", true, "There is too little memory for this.",
     "Choose a smaller model or a smaller context."},
    {"std::bad_alloc", "out_of_memory", true, "There is too little memory for this.",
     "Choose a smaller model or a smaller context."},
    {"no available memory for the cache blocks", "out_of_memory", true,
     "The weights leave no memory for the cache.",
     "Choose a smaller model, or raise flag.gpu-memory-utilization."},
    {"failed to load model", "model_broken", true, "The engine cannot load the model.",
     "Fetch the model again, or choose another."},
    {"error loading model", "model_broken", true, "The engine cannot load the model.",
     "Fetch the model again, or choose another."},
};

std::string lower(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return out;
}

constexpr std::size_t kExcerptLines = 20;

std::string last_lines(std::string_view log) {
    while (log.ends_with('\n')) {
        log.remove_suffix(1);
    }
    std::size_t at = log.size();
    for (std::size_t lines = 0; lines < kExcerptLines && at != std::string_view::npos; ++lines) {
        at = at == 0 ? std::string_view::npos : log.rfind('\n', at - 1);
    }
    return std::string{at == std::string_view::npos ? log : log.substr(at + 1)};
}

}  // namespace

Failure read_failure(std::string_view log, std::string_view how, bool out_of_memory) {
    Failure failure;
    failure.error.log_excerpt = last_lines(log);
    const std::string text = lower(log);
    const auto at = std::ranges::find_if(kSignatures, [&](const Signature& signature) {
        return text.contains(signature.fragment);
    });
    if (out_of_memory) {
        // Another program may have taken the memory: waiting can help.
        failure.error.code = "out_of_memory";
        failure.error.detail = "The kernel ended the engine because memory ran out.";
        failure.error.remedy = "Choose a smaller model or context, or free memory.";
    } else if (at != std::end(kSignatures)) {
        failure.terminal = at->terminal;
        failure.error.code = at->code;
        failure.error.detail =
            how.empty() ? std::string{at->cause} : fmt::format("{} It {}.", at->cause, how);
        failure.error.remedy = at->remedy;
    } else {
        failure.error.code = "engine_exited";
        failure.error.detail = fmt::format("The engine {}.", how.empty() ? "ended" : how);
        failure.error.remedy = "Its log says more: nova logs.";
    }
    return failure;
}

Failure failure_from(const Error& error) {
    Failure failure;
    failure.error.code = std::string{error.name()};
    failure.error.detail = error.message;
    failure.error.remedy = error.remedy;
    switch (error.code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::unauthorized:
    case ErrorCode::forbidden:
    case ErrorCode::not_found:
    case ErrorCode::too_large:
    case ErrorCode::unprocessable:
    case ErrorCode::budget:
    case ErrorCode::unsupported:
    case ErrorCode::corrupt:
    case ErrorCode::internal:
        failure.terminal = true;
        break;
    case ErrorCode::conflict:
    case ErrorCode::rate_limited:
    case ErrorCode::exhausted:
    case ErrorCode::precondition:
    case ErrorCode::timeout:
    case ErrorCode::cancelled:
    case ErrorCode::unavailable:
    case ErrorCode::upstream_failed:
    case ErrorCode::runtime_failed:
        break;
    }
    return failure;
}

}  // namespace nova::lifecycle

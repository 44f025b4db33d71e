// Everything nova knows about a kind of server, read from data/engines/*.json.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "core/strong.hpp"

namespace nova::engine {

enum class ModelsPerInstance : std::uint8_t { one, many };
enum class Protocol : std::uint8_t { openai, ollama };

struct ReadyProbe {
    std::string path;                   // "/health"
    std::vector<int> loading_statuses;  // "alive, still loading": {503}
    std::string models_path;            // list of served models: "/v1/models"
    std::string counters_path;          // Prometheus text: "/metrics"; empty: none
    std::vector<std::string> counters;  // names in it that rise with work done
};

// What a user may set: --flag VALUE. Nothing that names a path, a port or a key.
struct AllowedFlag {
    std::string name;  // as in options: "flag.NAME"
    std::string argv;  // "--flash-attn"
    std::string kind;  // integer | number | word | switch
    std::string sentence;
};

struct EngineSpec {
    EngineName name;
    std::string title;  // "llama.cpp"
    Protocol protocol = Protocol::openai;
    ModelsPerInstance models = ModelsPerInstance::one;
    std::vector<std::string> programs;        // native: first found wins; empty: not native
    std::vector<std::string> program_argv;    // native only, in front of argv: "serve"
    std::vector<std::string> container_argv;  // the same for images without a server entry point
    std::vector<std::string> argv;            // template, placeholders in launch.cpp
    std::vector<std::string> multi_gpu_argv;  // behind argv when several like GPUs are used
    std::map<std::string, std::vector<std::string>> option_argv;  // neutral option -> argv part
    std::map<std::string, std::string> option_defaults;           // what nova sets itself (2.16)
    std::map<std::string, std::string> env;
    std::string api_key_env;  // each instance gets a random key by it (decisions.md 2.15)
    std::map<std::string, std::string> images;  // accelerator (cuda, rocm, cpu) -> pinned image
    std::uint16_t container_port = 0;
    std::string container_models;  // where the models folder is mounted: "/models"
    ReadyProbe probe;
    std::string api_base;  // "/v1"
    std::chrono::seconds start_limit{120};
    std::chrono::seconds stall_limit{0};  // longest usual silence while it loads; 0: not known
    int stop_signal = 15;
    std::chrono::seconds grace{10};
    std::vector<std::string> formats;  // gguf, safetensors, ollama
    std::vector<AllowedFlag> flags;
    std::vector<std::string> loading_progress;  // log fragments that show loading goes on
    bool serves_embeddings = true;  // of the models it is started with, besides generating
    bool usage_in_stream_needs_option = false;  // include_usage has to be asked for
};

// Strict: a key nobody reads is an error, so that a typing mistake cannot pass as a default.
// Error: invalid_argument, "FILE.probe.path is required."
Result<EngineSpec> engine_spec_from(const Json& value, std::string_view file);

std::string_view word(Protocol protocol);
std::string_view word(ModelsPerInstance models);

}  // namespace nova::engine

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
#include "core/units.hpp"

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

// What an engine's build for one accelerator asks of the machine; empty and 0: nothing.
struct AcceleratorNeeds {
    std::string cuda;                        // the image's, for sentences: "13.0"
    unsigned driver = 0;                     // oldest NVIDIA driver, first number: 580
    std::string compute;                     // least compute capability: "7.5"
    std::vector<std::string> architectures;  // AMD: only these, "gfx942"
    std::vector<std::string> cpu_flags;      // all of these, "amx_tile"
    Bytes image_size;                        // unpacked, estimated
};

// How a family of models calls tools and thinks, in this engine's words.
struct ModelFamily {
    std::vector<std::string> match;  // parts of the model's name in lower case; any of them
    std::string tool_calls;          // parser; empty: none
    std::string reasoning;           // likewise
};

// What a container gets beyond devices and models.
struct ContainerExtras {
    Bytes shared_memory;                        // /dev/shm; 0: Docker's own
    bool locked_memory = false;                 // memlock without a limit
    std::map<std::string, std::string> caches;  // named volume -> folder inside
};

struct EngineSpec {
    EngineName name;
    std::string title;  // "llama.cpp"
    Protocol protocol = Protocol::openai;
    ModelsPerInstance models = ModelsPerInstance::one;
    std::vector<std::string> programs;        // native: first found wins; empty: not native
    std::vector<std::string> installed_by;    // programs that prove it is there, if not the above
    std::vector<std::string> program_argv;    // native only, in front of argv: "serve"
    std::vector<std::string> container_argv;  // the same for images without a server entry point
    std::vector<std::string> argv;            // template, placeholders in launch.cpp
    std::vector<std::string> multi_gpu_argv;  // behind argv when several like GPUs are used
    std::map<std::string, std::vector<std::string>> option_argv;  // neutral option -> argv part
    std::map<std::string, std::string> option_defaults;           // what nova sets itself (2.16)
    std::map<std::string, std::string> env;
    std::string api_key_env;  // each instance gets a random key by it (decisions.md 2.15)
    std::string token_env;    // by which it fetches gated models itself: "HF_TOKEN"
    std::map<std::string, std::string> images;      // accelerator (cuda, rocm, cpu) -> pinned image
    std::map<std::string, AcceleratorNeeds> needs;  // by accelerator
    std::map<std::string, std::vector<std::string>> accelerator_argv;  // behind argv
    std::map<std::string, std::map<std::string, std::string>> accelerator_env;
    std::vector<std::string> memory_argv;     // on GPUs, with {memory_fraction}
    double memory_fraction_most = 0.9;        // of a device's memory
    std::vector<std::string> old_gpu_argv;    // below compute capability 8.0, which lacks bfloat16
    std::vector<std::string> tool_call_argv;  // with {parser}, when the model's family is known
    std::vector<std::string> reasoning_argv;  // likewise
    std::vector<ModelFamily> families;        // the first that matches
    ContainerExtras container;
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
    std::vector<std::string> cpu_fallback;      // log fragments: it was to use a GPU, found none
    bool serves_embeddings = true;  // of the models it is started with, besides generating
    bool usage_in_stream_needs_option = false;  // include_usage has to be asked for
};

// Strict: a key nobody reads is an error, so that a typing mistake cannot pass as a default.
// Error: invalid_argument, "FILE.probe.path is required."
Result<EngineSpec> engine_spec_from(const Json& value, std::string_view file);

std::string_view word(Protocol protocol);
std::string_view word(ModelsPerInstance models);

}  // namespace nova::engine

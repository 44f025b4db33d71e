// Engines and the small model on this machine, as far as a command needs to know before a daemon
// runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/environment.hpp"

namespace nova::app {

struct FoundEngine {
    std::string engine;    // "llamacpp"
    std::string program;   // path
    bool on_path = false;  // else: in the engines cache
};

// ${NOVA_ENGINES_DIR:-${XDG_CACHE_HOME:-~/.cache}/nova/engines} (decisions.md 2.30); "" without
// HOME.
std::string engines_cache(const config::Environment& environment);
// Its folders that hold engines: llamacpp-*, ollama-*; newest name first.
std::vector<std::string> cached_engine_folders(const config::Environment& environment);
// $PATH with those folders behind it: what a daemon that nova starts gets.
std::string engine_path(const config::Environment& environment);

// Best first (decisions.md 1.10): what stands earlier on PATH, llama-server before ollama in one
// folder, then what the cache holds.
std::vector<FoundEngine> find_engines(const config::Environment& environment);

// The small chat model that setup installs; empty when it is not there.
std::optional<std::string> cached_small_model(const config::Environment& environment);

// The script that installs engines: beside the installed program, or in the source tree it was
// built in. Empty when it is nowhere.
std::optional<std::string> engines_script(const std::string& own_program);

}  // namespace nova::app

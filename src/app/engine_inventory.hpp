// Which engines this machine has, and what would make the others run (GET /inference/backends).
#pragma once

#include <string>
#include <vector>

#include "engine/engine_registry.hpp"
#include "recovery/dto.hpp"

namespace nova::app {

// Where native engines are looked for, in order: folders of the engines cache, then PATH.
std::vector<std::string> engine_folders(const std::string& cache_home, const std::string& home);

std::vector<recovery::EngineStatus>
engine_inventory(const engine::EngineRegistry& registry, const std::vector<std::string>& folders);

}  // namespace nova::app

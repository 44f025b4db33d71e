// From a wish to everything the lifecycle needs to start it: registry, machine and folders joined.
#pragma once

#include <functional>
#include <string>

#include "engine/engine_registry.hpp"
#include "hardware/hardware_snapshot.hpp"
#include "lifecycle/ports.hpp"

namespace nova::app {

struct LaunchFolders {
    std::string logs;    // one file per run
    std::string models;  // where engines nova starts keep weights
};

// The image that stands for an engine's own; "" for none (setting docker.images).
using ImageChoice = std::function<std::string(const EngineName&)>;

// registry must outlive the planner; hardware and images are asked at each plan.
lifecycle::Planner make_planner(
    const engine::EngineRegistry& registry, std::function<hardware::HardwareSnapshot()> hardware,
    LaunchFolders folders, ImageChoice images = {}
);

}  // namespace nova::app

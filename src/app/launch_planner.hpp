// From a wish to everything the lifecycle needs to start it: registry, machine and folders joined.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/units.hpp"
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

// What is asked anew at each plan, where somebody knows.
struct LaunchFacts {
    std::function<std::vector<hardware::GpuStats>()> gpus{};  // measured just now
    std::string hub_token{};  // for engines that fetch models themselves
};

// registry must outlive the planner; hardware and images are asked at each plan.
lifecycle::Planner make_planner(
    const engine::EngineRegistry& registry, std::function<hardware::HardwareSnapshot()> hardware,
    LaunchFolders folders, ImageChoice images = {}, LaunchFacts facts = {}
);

}  // namespace nova::app

// Plans of the slot `embed`: a small model on the CPU that leaves the machine to the chat backend.
#pragma once

#include "app/launch_planner.hpp"

namespace nova::app {

// registry must outlive the planner. Errors besides the planner's: unprocessable (an engine or an
// option that has no place in this slot).
lifecycle::Planner make_embed_planner(
    const engine::EngineRegistry& registry, std::function<hardware::HardwareSnapshot()> hardware,
    LaunchFolders folders, ImageChoice images = {}
);

}  // namespace nova::app

// What commands find out about the machine without a daemon.
#pragma once

#include <string>

#include "app/commands.hpp"
#include "engine/preflight.hpp"
#include "hardware/hardware_snapshot.hpp"

namespace nova::app {

// Looks itself, and keeps what it saw where a daemon will find it.
hardware::HardwareSnapshot detect_here(CommandContext& context);

// What Docker or Podman says here, and of one image. At most five seconds when nobody answers.
engine::ContainerFacts containers_here(CommandContext& context, std::string image = {});

}  // namespace nova::app

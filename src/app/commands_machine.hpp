// What commands find out about the machine without a daemon.
#pragma once

#include "app/commands.hpp"
#include "hardware/hardware_snapshot.hpp"

namespace nova::app {

// Looks itself, and keeps what it saw where a daemon will find it.
hardware::HardwareSnapshot detect_here(CommandContext& context);

}  // namespace nova::app

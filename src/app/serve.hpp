// The daemon: both planes of nova in this process, in the foreground, until SIGTERM or SIGINT.
#pragma once

#include "config/boot_config.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace nova::app {

// Returns when the daemon has ended; what went wrong has been written to standard error by then, as
// a sentence and a remedy. Writes DIR/runtime.json {pid, gateway, control, version} once both
// listeners answer, and removes it at a proper end.
ExitCode run_serve(const config::BootConfig& boot, Log& log);

}  // namespace nova::app

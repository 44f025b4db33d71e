// Everything one running nova consists of, constructed in order and destroyed in reverse.
#pragma once

#include <memory>

#include "config/boot_config.hpp"
#include "config/environment.hpp"
#include "core/log.hpp"
#include "core/result.hpp"
#include "store/data_directory.hpp"

namespace nova::app {

// What has to be opened before any thread exists, because each of it may refuse (house.md 6:
// start-up).
struct DaemonInputs {
    const config::BootConfig& boot;
    config::Environment environment;
    store::DataDirectory directory;
    Secret admin_secret;
};

// Runs until SIGTERM or SIGINT. Errors: whatever kept it from starting, with its remedy.
Result<void> run_daemon(DaemonInputs inputs, Log& log);

}  // namespace nova::app
